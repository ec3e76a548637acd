"""The four principles as checks on a proposed utterance, one file each; rules only, and each says why.

Source: ISE paper, stage S (perspective lock, register matching, incremental advancement, responsive
conditioning).
"""
