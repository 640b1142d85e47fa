"""How a verdict may name each mistake: patterns for one line, without regard to case.

Any fair wording should match, and no other cause's. Numbers are put to them by `planting.both`.
"""


def any_of(*patterns: str) -> str:
    return "|".join(patterns)


LOST = "(?:not applied|ignored|left out|missing|forgotten|unused|not used|dropped)"
LEFT_OUT = "(?:left out|missing|forgotten|not added|never added|without)"
TWICE = "(?:twice|2 times|two times)"

# forward pass
FLAG = any_of(
    "training ?= ?(?:True|False)", "training (?:flag|argument)", "inference mode", "not in training mode"
)
PASS = any_of(
    "(?:extra|another|second|additional) (?:forward )?(?:pass|call)",
    f"(?:forward|pass|called)\\b.*(?:{TWICE}|more often)",
)
SEEDS = "dropout seeds"  # where that is all that an extra pass changes
INPUTS = r"inputs?\b.*(?:scal|divi|times|multipl|shift|again|·|\*)"
ROWS = any_of(
    "rows?.*(?:dropped|left out|missing|do not count)",
    "(?:dropped|left out).*rows",
    "half of (?:the|each|every) batch",
)
ROLLED = any_of(
    r"(?:targets?|labels?|rows|y)\b.*(?:order|roll|revers|shift|other rows)",
    "(?:roll|revers|shift).*(?:target|label)",
)

# loss
SCALED = "scale|times|factor|sum|divid|weigh"
SUM_FOR_MEAN = "sum(?:med)?,? (?:for|instead of|in place of|not) (?:a |the )?mean"
SUM = rf"{SUM_FOR_MEAN}(?! over|, another)"
SUM_OVER = rf"{SUM_FOR_MEAN} (?:over|of) "
DIVIDED = "divi"
TWO_SOFTMAX = rf"(?:softmax|sigmoid|activation)\b.*(?:{TWICE}|again|before a loss of logits)"
LOGITS = any_of(r"logits\b.*probabilit", "from_logits")
MASK = any_of(
    rf"mask\b.*{LOST}",
    r"padd.*\bcount(?!\w* in the divi)",
)
DIVISOR = any_of(
    r"divi.*(?:mask|padd|keep|kept|\bignored|valid|real)", r"(?:mask|padd|kept|ignored|valid).*divi"
)
IGNORED = any_of(f"ignore_class.*{LOST}", r"ignored (?:labels|pixels|targets|class)\b.*count")
SUM_OF_WEIGHTS = r"sum of (?:the )?(?:\w+[ _])?weights(?!.*as well)"
LOSS_WEIGHTS = any_of(f"loss_weights.*{LOST}", r"output.*weighs? 1(?:\.0)?(?!\.?\d)")
OUTPUT = any_of(
    "output.*left out", "left out.*output", r"output.*weigh\w* 0(?:\.0)?(?!\.?\d)", f"output.*{LEFT_OUT}"
)
ADDED = (
    r"(?:model\.losses|added loss\w*|regulari[sz]\w*|penalt\w*|divergence|activity)\b.*"
    f"{LEFT_OUT}(?! in part)"
)
ADDED_TWICE = (
    rf"(?:model\.losses|added loss\w*|regulari[sz]\w*)\b.*(?:{TWICE}|doubled|(?:by|weighs?|times) 2\b)"
)
ADDED_SCALED = r"model\.losses|added loss|regulari[sz]"

# gradients
CLIPPED = "clip"
PAIRED = "wrong variable|paired|swapped|got that of"
ROUNDED = "gradients?.*bfloat16|bfloat16.*gradient"
SIGNS = any_of(r"gradient.*\bsigns?\b(?!\()", r"\bsigns? of .*gradient")
CENTRED = "centrali[sz]ed|mean .*(?:taken off|subtracted)"
CARRIED = "earlier|before|memory|moment|average|carried|last|previous"
LAGGED = any_of(
    r"gradients?\b.*(?:\blag|stale|delay|earlier|previous|\blast\b|(?:step|batch) before)",
    r"(?:\blag|stale|delay|previous|late).*gradient",
)

# update
UPDATED_TWICE = any_of(
    rf"(?:updated?|updates|optimi[sz]er|steps?)\b.*{TWICE}", f"{TWICE}.*(?:updat|optimi[sz]er)", "two updates"
)
SOME = any_of(
    "only some variables",
    r"variables?\b.*(?:left as|not updated|not trained|left out)",
    "left as they were",
)
LAST_BATCH = any_of(
    r"(?:last|partial|smaller|shorter) batch\b.*(?:skip|drop|left out|passed|not train)",
    r"(?:skip\w*|drop\w*|left out|passed over):? (?:the )?(?:last|partial|smaller|shorter) batch",
    r"batch(?:es)?\b.*(?:passed over|skipped)",
)
MOVING = any_of(
    r"moving averages?\b.*(?:not updated|put back|restored|kept|unchanged|as they were|left)",
    r"(?:BatchNorm\w*|moving).*(?:not updated|put back|restored)",
)
PIECES = any_of("micro-?batch", "pieces")
EACH_OUTPUT = any_of(r"(?:each|every|per) output", "output by output", "one output after")
FROZEN = r"(?:frozen|non-trainable)\b.*(?:updat|train|chang|mov)"
CONSTRAINTS = f"constraints?.*(?:{LOST}|not)"

# settings
RATE = "learning.rate"
NO_SCHEDULE = "schedule|learning.rate"
SCHEDULE = any_of("schedule(?! dropped| of fit)", r"learning.rate\b.*(?:falls|decays|chang)")
ANEW = any_of("anew", r"new optimi[sz]er", "re-?created", "made new")
NO_CLIPPING = f"clip.*{LOST}"
NOT_SPARED = any_of("exclu", "decay.*spared")
AVERAGES = any_of(r"\bEMA\b", "averaged? weights", r"averages?\b.*(?:at the end|in place|finali[sz])")

# state and layers
ONE_LAYER = r"training\b.*"  # and the layer
STATE_RESET = r"states?\b.*(?:reset|clear|zero)|(?:reset|clear)\w*.*\bstate"
STATE_CARRIED = any_of(r"states?\b.*(?:carried|kept|goes on|not reset|not clear)", "callbacks?.*not applied")
LAYER_TWICE = any_of(
    rf"(?:layers?|noise|flip|contrast|rescal\w*|augment\w*)\b.*(?:{TWICE}|again|before the model)",
    rf"{TWICE}.*\b(?:layer|noise|flip|augment)",
)
