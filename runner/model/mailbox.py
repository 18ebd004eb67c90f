"""Answers from a folder: a prompt goes out as a file, and the answer is put beside it.

Owns the file names and the waiting. For machines without a network, and for pasting into a chat.
"""

from __future__ import annotations

import asyncio
from pathlib import Path

from runner.contract import TokenUsage, sha256_hex
from runner.errors import ModelError, ModelExhausted
from runner.files import write_atomically
from runner.model.interface import Answer, Progress, Prompt
from runner.model.thinking import split_thinking

POLL_S = 0.5
# Whoever answers has had enough: the run ends as it does with its budget spent.
END = "end"


class MailboxModel:
    """Writes `0001-<digest>.prompt.md` and waits for `0001-<digest>.answer.md`.

    The digest is the prompt's: an answer that is left over from another run is never taken for
    this one's, and a run started again finds the answer it has already been given. Answers are
    best written under another name and renamed; one that is still growing is waited for. A file
    named `end` says that no further answer comes. `name` is who answers, for the records.
    """

    def __init__(self, folder: Path, *, name: str = "mailbox", poll_s: float = POLL_S) -> None:
        self._folder = folder
        self._name = name
        self._poll_s = poll_s
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise ModelError(f"cannot use the mailbox {folder}: {error.strerror}") from error

    @property
    def name(self) -> str:
        return self._name

    async def answer(self, prompt: Prompt, progress: Progress | None = None) -> Answer:
        """What somebody puts beside the prompt. There is no progress to tell.

        Raises ModelError, and ModelExhausted where somebody ended the mailbox.
        """
        stem = f"{prompt.attempt:04d}-{sha256_hex(prompt.text)[:8]}"
        try:
            write_atomically(self._folder / f"{stem}.prompt.md", prompt.text)
            text = await self._wait_for(self._folder / f"{stem}.answer.md")
        except OSError as error:
            raise ModelError(f"the mailbox {self._folder} failed: {error.strerror}") from error
        reasoning, content = split_thinking(text)
        return Answer(
            model=self.name,
            content=content,
            reasoning=reasoning,
            tokens=TokenUsage(),
        )

    async def close(self) -> None:
        """Nothing is held: the prompts stay, so that they can still be answered."""

    async def _wait_for(self, path: Path) -> str:
        """The text of `path` once it is there, not empty, and the same at two looks."""
        previous: bytes | None = None
        while True:
            # A look at a small local file, not worth a thread.
            current = path.read_bytes() if path.exists() else b""
            if current.strip() and current == previous:
                # An editor's stray byte should cost a character, not the answer.
                return current.decode("utf-8", "replace")
            if not current and (self._folder / END).exists():
                raise ModelExhausted(f"the mailbox {self._folder} was ended")
            previous = current
            await asyncio.sleep(self._poll_s)
