"""What the admin's classes have in common: rows to look at and to act on, where there may be millions."""

from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from functools import cached_property
from typing import Any, ClassVar

from django.contrib import admin, messages
from django.contrib.admin.utils import quote
from django.contrib.auth import get_permission_codename
from django.core.paginator import Paginator
from django.db import router, transaction
from django.db.models import Model
from django.http import HttpRequest
from django.urls import reverse
from django.utils.html import format_html
from django.utils.text import capfirst
from django.utils.translation import gettext as _t

from ..exceptions import DATABASE_AWAY, ChatError, NotAllowed, NotFound, Text, Unavailable
from ..models import Ban, Chat
from ..users import User, handle, users_with_handles

LISTED_ROWS = 1000
"""How many rows a list has at most, all its pages together, and so how many an action is applied to."""

NAMED_ROWS = 10
"""How many of the rows that an action was refused for are named."""


class BoundedPaginator(Paginator):  # type: ignore[type-arg]  # generic for type checkers only
    """Counts no further than lists go, in their order, so that the same index answers."""

    @cached_property
    def count(self) -> int:
        rows: Any = self.object_list[:LISTED_ROWS]
        return int(rows.count())


class RowsAdmin(admin.ModelAdmin):  # type: ignore[type-arg]  # generic for type checkers only
    """Rows to look at. Whoever may change them may act on them, which never is to save or to delete a row as such.

    The first column of a list opens the row, so it is no link to something else.
    """

    list_per_page = 50
    ordering: ClassVar[Any] = ("-id",)
    paginator = BoundedPaginator
    search_fields = ("chat__uri",)  # what is found, get_search_results() says
    show_full_result_count = False
    sortable_by = ()

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        return self.fields or ()

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_act_permission(self, request: HttpRequest) -> bool:
        return self.is_permitted(request, "change")

    def has_ban_permission(self, request: HttpRequest) -> bool:
        """To act on these rows by banning whom they are of."""
        return self.has_act_permission(request) and self.is_permitted(request, "change", Ban)

    def is_permitted(self, request: HttpRequest, action: str, model: type[Model] | None = None) -> bool:
        """For this model, or another one."""
        options = self.opts if model is None else model._meta
        return request.user.has_perm(f"{options.app_label}.{get_permission_codename(action, options)}")

    # Searching

    def get_search_results(self, request: HttpRequest, queryset: Any, search_term: str) -> tuple[Any, bool]:
        """Whole uris and whole handles, as they are written: these an index finds."""
        uri, _space, rest = search_term.strip().partition(" ")
        chat = Chat.objects.with_uri(uri).first()
        if chat is not None:
            queryset = self.in_chat(queryset, chat, rest.strip())
        elif uri:
            queryset = self.of_people(queryset, users_with_handles([search_term.strip()]))
        return queryset, False

    def in_chat(self, queryset: Any, chat: Chat, rest: str) -> Any:
        """The rows of this chat, or, if there is more in the search box, those that it names."""
        raise NotImplementedError

    def of_people(self, queryset: Any, people: Iterable[User]) -> Any:
        raise NotImplementedError

    # Acting

    def chosen(self, queryset: Any) -> list[Any]:
        """No more rows than are listed, and by uri: in a request that is one transaction the locks add up."""
        return sorted(queryset[:LISTED_ROWS], key=lambda row: row.chat.uri)

    def act(self, request: HttpRequest, rows: Sequence[Any], operation: Callable[[Any], bool], done: str) -> None:
        """Each row by itself, together with its line in the log; what is refused is told, and the rest is done.

        ``operation`` says whether it has changed anything. Where a row was done already, there is nothing to tell.
        """
        succeeded, refused = 0, defaultdict[str, list[str]](list)
        for row in rows:
            try:
                succeeded += self._act_on(request, row, operation, done)
            except ChatError as error:
                refused[_why(error)].append(self.told_name(row))
        self._report(request, succeeded, refused, done)

    def _act_on(self, request: HttpRequest, row: Any, operation: Callable[[Any], bool], done: str) -> bool:
        """Raises ``ChatError``, among them ``Unavailable``, but where the whole request is one transaction: that one
        has failed."""
        database = transaction.get_connection(router.db_for_write(self.model))
        is_whole = database.in_atomic_block
        try:
            with transaction.atomic(using=database.alias):
                changed = operation(row)
                if changed:
                    self.log_change(request, row, done)
                return changed
        except DATABASE_AWAY:
            if is_whole:
                raise
            raise Unavailable from None

    def _report(self, request: HttpRequest, succeeded: int, refused: dict[str, list[str]], done: str) -> None:
        if succeeded:
            self.message_user(request, f"{done}: {succeeded}", messages.SUCCESS)
        for reason, names in refused.items():
            named = ", ".join(names[:NAMED_ROWS]) + (f", … ({len(names)})" if len(names) > NAMED_ROWS else "")
            # Not the name first, of which Django would make the first letter a capital one.
            self.message_user(
                request, _t("Not done: %(names)s. %(why)s") % {"names": named, "why": reason}, messages.ERROR
            )
        if not (succeeded or refused):
            self.message_user(request, _t("There was nothing left to do."), messages.WARNING)

    def told_name(self, row: Any) -> str:
        """What the row is called where an action is refused."""
        return str(row)

    # Showing

    def title_of(self, title: Text) -> str:
        """Of a page of these rows' own: what is done there, and with what."""
        return f"{capfirst(self.opts.verbose_name_plural)}: {title}"

    def chat_link(self, chat: Chat) -> str:
        return self.link(str(chat), Chat, "change", quote(chat.pk))

    def person_link(self, user: User | None) -> str:
        """Somebody's handle, whatever the user model shows elsewhere."""
        return (
            self.get_empty_value_display()
            if user is None
            else self.link(handle(user), type(user), "change", quote(user.pk))
        )

    def link(self, text: str, model: type[Model], page: str, *arguments: str, **query: str) -> str:
        """To one of the admin's pages of this model; the mere text where the site has none."""
        if not self.admin_site.is_registered(model):
            return text
        return format_html('<a href="{}">{}</a>', self.page_url(model, page, *arguments, **query), text)

    def page_url(self, model: type[Model], page: str, *arguments: str, **query: str) -> str:
        """Of one of the pages of this model, which the site must have."""
        name = f"{self.admin_site.name}:{model._meta.app_label}_{model._meta.model_name}_{page}"
        return reverse(name, args=arguments, query=query)

    def url_name(self, page: str) -> str:
        """Of a page of this model, as Django names those that it has itself."""
        return f"{self.opts.app_label}_{self.opts.model_name}_{page}"


def _why(error: ChatError) -> str:
    """In the words of a moderator: what is done is done by the site itself, which may do all that can be done."""
    match error:
        case NotAllowed():
            return _t("This is not possible in a personal chat.")
        case NotFound():
            return _t("This is not there any more.")
        case _:
            return str(error)


class RowsOfAccountsAdmin(RowsAdmin):
    """Rows that go along with an account."""

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Only along with the account: where that is deleted, Django asks here too."""
        return self.is_permitted(request, "delete") and not self._is_on_own_page(request)

    def _is_on_own_page(self, request: HttpRequest) -> bool:
        page = request.resolver_match.url_name if request.resolver_match else None
        return (page or "").startswith(f"{self.opts.app_label}_{self.opts.model_name}_")


def number(text: str) -> int:
    """The seq in ``5`` or ``#5``; 0, which none has, for anything else."""
    digits = text.removeprefix("#")
    return int(digits) if digits.isascii() and digits.isdigit() and len(digits) < 19 else 0
