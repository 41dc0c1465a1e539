"""`python -m intinfer`: the same as the command `intinfer`."""

from .cli import main

if __name__ == "__main__":
    raise SystemExit(main())
