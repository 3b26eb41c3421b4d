"""What the name of a column tells: words that people use for labels, users, items and outcomes."""

import re
from collections.abc import Container, Iterable

# What a label is called, without `is_`, `_label` and the like; in the order of preference.
_LABELS = (
    *("click", "clicked", "clk", "clicks", "clickthrough", "ctr", "", "y"),
    *("conversion", "conv", "converted", "cvr", "purchase", "purchased", "buy", "bought", "order"),
    *("install", "installed", "attributed", "subscribed", "like", "liked", "engaged", "engagement"),
    *("interaction", "response", "outcome", "finish", "long view", "view"),
)
_OF_LABELS = {"is", "has", "was", "if", "did", "label", "flag", "target"}
RATINGS = ("rating", "score", "stars", "rate", "grade")
# In the order of preference: of two columns the first word makes the user, or the item.
USERS = (
    *("user", "uid", "usr", "member", "uin", "viewer", "visitor", "reviewer", "buyer", "shopper"),
    *("consumer", "person", "player", "listener", "reader", "subscriber", "guest", "passenger"),
    *("customer", "cust", "client", "account", "acct", "profile", "usuario", "utilisateur"),
    *("nutzer", "kunde", "cliente", "openid", "visitorid", "cookie", "session"),
)
ITEMS = (
    *("item", "iid", "goods", "product", "prod", "sku", "spu", "asin", "isbn", "video"),
    *("photo", "movie", "film", "article", "news", "song", "track", "book", "doc", "document"),
    *("ad", "adgroup", "creative", "content", "note", "post", "feed", "listing", "hotel", "job"),
    *("course", "game", "recipe", "restaurant", "poi", "venue", "anime", "clip", "episode"),
    *("podcast", "playlist", "produit", "producto", "produkt", "artikel", "articulo", "material"),
    *("offer", "deal", "coupon", "campaign", "vid", "aid", "nid", "gid", "mid"),
)
USER, ITEM = set(USERS), set(ITEMS)
# What describes the one or the other where its name says no more.
OF_USERS = {
    *("age", "gender", "sex", "occupation", "zip", "zipcode", "income", "education", "marital"),
    *("vip", "cms", "segid", "shopping", "pvalue", "birthday", "register", "registered", "signup"),
    *("follower", "fan", "friend", "fans", "friends", "interest", "persona"),
}
OF_ITEMS = {
    *("category", "cat", "cate", "brand", "shop", "store", "seller", "merchant", "author", "genre"),
    *("genres", "title", "tag", "tags", "price", "discount", "artist", "album", "publisher"),
    *("topic", "advertiser", "campaign", "creative", "keyword", "keywords", "stock", "material"),
    *("director", "actor", "actors", "music", "upload", "release", "subcategory", "uploader"),
}
OF_CONTEXT = {
    *("hour", "weekday", "day", "time", "date", "week", "device", "os", "browser", "network", "ip"),
    *(
        "position",
        "pos",
        "rank",
        "slot",
        "page",
        "site",
        "app",
        "scene",
        "scenario",
        "tab",
        "query",
    ),
    *("channel", "placement", "referrer", "referer", "platform", "connection", "conn", "carrier"),
    *("banner", "locale", "language", "weather", "search", "domain", "pid", "entry", "section"),
}
ID = {
    *("id", "ids", "uid", "iid", "code", "key", "hash", "zip", "no", "asin", "sku", "isbn", "uuid"),
    *("guid", "openid", "uin", "zipcode", "spu"),
}
TYPE = {
    "type",
    "occupation",
    "category",
    "cat",
    "cate",
    "class",
    "gender",
    "city",
    "brand",
    "level",
    "group",
    "country",
    "os",
}
TIME = {
    *("time", "timestamp", "ts", "datetime", "date", "hour", "at", "dt", "epoch", "unixtime"),
    *("when", "moment", "stamp", "eventtime", "created", "day", "fecha", "datum", "zeit", "hora"),
}
QUANTITY = {
    *("num", "count", "cnt", "price", "age", "duration", "days", "amount", "size", "length", "len"),
    *("width", "height", "ratio", "rate", "avg", "mean", "sum", "total", "ms", "seconds", "score"),
    *("cost", "revenue", "fee", "salary", "income", "budget", "bid", "value", "qty", "quantity"),
    *("spend", "spent", "balance", "discount", "percent", "pct", "weight", "distance", "volume"),
    *("preis", "precio", "prix", "prezzo", "betrag", "importe", "montant", "gmv", "usd", "eur"),
    *("share", "ctr", "cvr", "followers", "fans", "plays", "views", "population", "turnover"),
}
SEQUENCE = {
    *("seq", "sequence", "history", "hist", "histories", "his", "clicked", "viewed", "watched"),
    *("bought", "recent", "last", "past", "previous", "prev", "list", "lst", "behavior", "trace"),
    *("behaviour", "behaviors", "behaviours", "visited", "purchased", "played", "liked"),
    *("interacted", "engaged", "rated", "saved", "opened", "ordered", "listened", "session"),
    *("earlier", "prior", "consumed", "browsed", "seen", "carted", "shown", "exposed"),
}
# What was done to the items of a history: no object of its own.
_DEEDS = {
    *("click", "clk", "view", "watch", "buy", "purchase", "like", "play", "cart", "browse", "pv"),
    *("visit", "order", "listen", "fav", "favorite", "interaction", "basket", "impression"),
    *("read", "follow", "rate", "save", "open", "stream", "search"),
}
_OF_NO_OBJECT = _DEEDS | {
    *("event", "log", "trail", "path", "long", "short", "term", "the", "of", "by", "to", "top"),
    *("id", "ids", "code", "key", "hash", "no", "feature", "feat", "all", "len", "day", "week"),
    *("session", "online", "offline", "positive", "pos", "negative", "neg", "num", "index"),
}
# Numbers of rows, as pandas and databases write them.
_ROW_NUMBERS = {"", "unnamed 0", "index", "idx", "row", "rownum", "row id", "row number", "line"}
# What happens only after the item was shown.
OUTCOMES = {
    *("click", "clicked", "like", "liked", "follow", "followed", "comment", "forward", "share"),
    *("shared", "hate", "dislike", "play", "watch", "watched", "stay", "dwell", "view", "finish"),
    *("purchase", "purchased", "buy", "bought", "cart", "order", "pay", "conversion", "converted"),
    *("enter", "reward", "completion", "skip", "favorite", "collect", "install", "revenue"),
    *("read", "reading", "scroll", "checkout", "booked", "bounce", "bounced"),
}
# Of what was before, whatever it is.
PAST = {
    *("hist", "history", "histories", "his", "past", "last", "previous", "prev", "recent"),
    *("earlier", "prior", "before", "ever", "already", "ago"),
}
# Numbered columns whose letter says what they are, as those of Criteo and Avazu.
_NUMBERED_TOKENS = re.compile(r"(C|[Cc]at(egorical|e)?_?|[Ss]parse_?)\d+")
_NUMBERED_NUMBERS = re.compile(r"(I|[Nn]um(erical|eric)?_?|[Ii]nt_?|[Dd]ense_?)\d+")
_UNNAMED = re.compile(r"c\d+")  # of text without a header
# Of a time that something took, or the share of it that was seen.
LASTING = {"time", "ms", "seconds", "duration", "ratio"}
_LONG_FORMS = {"cat": "category", "cate": "category", "prod": "product", "usr": "user"}
_ENTITIES = USER | ITEM | OF_USERS | OF_ITEMS | OF_CONTEXT


def words(name: str) -> list[str]:
    """The parts of a name in lower case: `isClicked_2` is is, clicked, 2; `itemid` is item, id."""
    spaced = re.sub(r"([a-z0-9])([A-Z])", r"\1_\2", name)
    parts = [word for word in re.split(r"[^a-z0-9]+", spaced.lower()) if word]
    return [word for part in parts for word in _without_id(part)]


def _without_id(word: str) -> tuple[str, ...]:
    for ending in ("ids", "id"):
        stem = word.removesuffix(ending)
        if stem != word and _has(stem, _ENTITIES):
            return stem, ending
    return (word,)


def hints(name: str, vocabulary: Container[str]) -> bool:
    """Whether a word of the name, with or without its plural, is among these."""
    return any(_has(word, vocabulary) for word in words(name))


def _has(word: str, vocabulary: Container[str]) -> bool:
    return any(form in vocabulary for form in (word, *_singulars(word)))


def _singulars(word: str) -> tuple[str, ...]:
    if word.endswith("ies") and len(word) > 4:
        return word[:-3] + "y", word[:-1]
    return (word.removesuffix("s"), word.removesuffix("es")) if len(word) > 2 else ()


def numbered_kind(name: str) -> str | None:
    """`categorical` for `C17`, `numeric` for `I3` and their like; None for other names."""
    if _NUMBERED_TOKENS.fullmatch(name):
        return "categorical"
    return "numeric" if _NUMBERED_NUMBERS.fullmatch(name) else None


def is_unnamed(name: str) -> bool:
    """Whether a column got its name here, for the file has no header."""
    return bool(_UNNAMED.fullmatch(name))


def preference(name: str, vocabulary: tuple[str, ...]) -> int:
    """The place of the first word of a list that the name has; the list's length without one."""
    parts = words(name)
    return next(
        (
            place
            for place, word in enumerate(vocabulary)
            if any(word in (part, *_singulars(part)) for part in parts)
        ),
        len(vocabulary),
    )


def label_rank(name: str) -> int | None:
    """How likely a name is that of a label, 0 most; None where it is not.

    `isClick`, `click_label` and `clk` are names of a click, `label` and `is_target` of a label.
    """
    parts = words(name)
    if not parts:
        return None
    core = [word for word in parts if word not in _OF_LABELS]
    joined = " ".join(core)
    return _LABELS.index(joined) if joined in _LABELS else None


def objects(name: str) -> tuple[str, ...]:
    """What a history is made of, by its name: `hist_item_ids` of items, `click_seq` of nobody says.

    A user in front of the history is whose it is: `user_hist` is no history of users, and
    `hist_user_id` is.
    """
    parts = words(name)
    first = next((place for place, word in enumerate(parts) if word in SEQUENCE), len(parts))
    return tuple(
        word
        for place, word in enumerate(parts)
        if not word.isdigit()
        and word not in SEQUENCE
        and not _has(word, _OF_NO_OBJECT)
        and not (place < first < len(parts) and _has(word, USER))
    )


def is_history(name: str) -> bool:
    """Whether a list with this name is a history: `hist_cate`, `clicks`, `cart_items`."""
    if hints(name, SEQUENCE):
        return True
    of_what = "_".join(objects(name))
    return hints(name, _DEEDS) and (not of_what or hints(of_what, ITEM))


def is_row_number(name: str) -> bool:
    """Whether a column is named like the number of a row."""
    return " ".join(words(name)) in _ROW_NUMBERS


def same_words(one: Iterable[str], other: Iterable[str]) -> bool:
    """Whether two lists of words are the same but for plurals, ids, short forms and their order."""

    def core(parts: Iterable[str]) -> list[set[str]]:
        parts = list(parts)
        kept = [word for word in parts if not _has(word, ID)] or parts
        return [
            {_LONG_FORMS.get(form, form) for form in (word, *_singulars(word))} for word in kept
        ]

    forms_of_one, forms_of_other = core(one), core(other)
    return len(forms_of_one) == len(forms_of_other) and all(
        any(forms & other_forms for other_forms in forms_of_other) for forms in forms_of_one
    )


def is_outcome(name: str) -> bool:
    """Whether the name is that of something which happens after the item was shown.

    Counts such as `follow_user_num` tell what was before, and so does `bought_before`.
    """
    if hints(name, PAST):
        return False
    return hints(name, OUTCOMES) and not hints(name, QUANTITY - LASTING - OUTCOMES)


def is_other_label(name: str) -> bool:
    """Whether a column that is not the label is named like one: `subscribed` beside `clicked`."""
    said = [word for word in words(name) if word not in _OF_LABELS]
    return bool(said) and label_rank(name) is not None and not hints(name, PAST)


def feature_name(column: str, taken: Iterable[str]) -> str:
    """A feature's name, not among `taken`, that files and tensors can have."""
    name = re.sub(r"[^A-Za-z0-9_.-]+", "_", column).strip("._-") or "column"
    if not name[0].isalnum():
        name = f"column_{name}"
    taken, unique, number = set(taken), name, 2
    while unique in taken:
        unique, number = f"{name}_{number}", number + 1
    return unique
