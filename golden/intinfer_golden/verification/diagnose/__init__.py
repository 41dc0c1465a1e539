"""What a design did wrong: where a dump differs, and which single mistake of the usual ones explains every difference.

`hints` says how a dump lies in its file; here the op itself is computed anew, with a mistake in it, and the result held
against the whole dump. A mistake is told only when all values that count are exactly what it makes, and when so many
differ that chance would hardly look like it.
"""
