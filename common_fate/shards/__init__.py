"""Shards on disk: deterministic tars, their commit records, and the codecs of their members.

The only code that touches tars: `tar` says what a header is, `writer` writes shards, `record` commits them, `column`
reads them back, `codecs` encodes and decodes their members. Shards come from anywhere: `limits` says what they may be,
`foreign` opens files and parses JSON, and checks headers before members are decoded; `members` says what each member
is, and checks it afterwards.
"""
