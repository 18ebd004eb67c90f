"""The GPU side: the closed loop, the verifier and the contract with the bot.

Runs generated code in a sandbox. Holds no GitHub write credentials; never imports `bot`.
"""
