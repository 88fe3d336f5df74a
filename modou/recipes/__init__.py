"""In: nothing. Out: the settings of each part of `modou align TASK`, one TOML file a task, a table a part.

Minutes are those of a run of 60 (pretraining, SFT, reward model and PPO together); `--minutes` scales them all.
Never: says what follows what (a task does).
"""
