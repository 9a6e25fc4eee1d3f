"""Work that takes longer than a request: a page says what will happen, asks once, and then shows how far it is.

Nothing of it is kept between two requests. Each does what fits into about a second, and answers with a page that has
the rest of the work, signed, in its form: a script sends that again and again, or whoever has no scripts a button.
"""

from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass, field
from datetime import datetime, timedelta
from functools import partial
from time import monotonic
from typing import Any, ClassVar

from django.contrib import messages
from django.contrib.admin.models import LogEntry
from django.contrib.contenttypes.models import ContentType
from django.core import signing
from django.core.exceptions import PermissionDenied
from django.db import router, transaction
from django.db.models import Model
from django.forms import Form
from django.http import HttpRequest, HttpResponseRedirect
from django.http.response import HttpResponseBase
from django.template.response import TemplateResponse
from django.urls import URLPattern, path
from django.utils import timezone
from django.utils.translation import gettext as _t

from ..exceptions import DATABASE_AWAY, ChatError, NotFound, Text, Unavailable
from ..locks import lock_first
from .rows import NAMED_ROWS, RowsAdmin

STEP_SECONDS = 1.0
"""After so long a request begins no other batch."""

MOST_ROWS = 100
"""Of how many rows the work is counted in one request."""

MAX_AGE = timedelta(days=1)
"""A page that was left alone for longer does nothing any more."""


class Work(ABC):
    """What is to be done with each of the chosen rows. ``options`` are the cleaned data of its form, if it has one."""

    name: ClassVar[str]
    """In the page's address, and in ``has_<name>_permission()`` of the class that offers it."""

    title: ClassVar[Text]
    form_class: ClassVar[type[Form] | None] = None
    related: ClassVar[Sequence[str]] = ()
    """What is read together with the rows."""

    def __init__(self, options: dict[str, Any]) -> None:
        self.options = options

    @property
    @abstractmethod
    def plan(self) -> str:
        """What will happen."""

    @property
    @abstractmethod
    def done(self) -> str:
        """What has happened, for the admin's log."""

    @abstractmethod
    def about(self, row: Any) -> str:
        """Whom or what the row stands for."""

    @abstractmethod
    def count(self, rows: Sequence[Any]) -> int:
        """How many messages that is at most."""

    @abstractmethod
    def batches(self, row: Any) -> Iterator[int]:
        """Does it, and yields the number of messages of each batch. It may be left, and begun again, at any time."""


@dataclass
class Progress:
    """How far the work is. It travels with the page, so it is made of what JSON has."""

    rows: list[str]
    """The primary keys of those that are not done."""

    options: dict[str, Any] = field(default_factory=dict)
    total: int | None = None
    """None until it has been counted, and with that shown, what is to be done."""

    done: int = 0
    begun_at: str = ""
    refused: list[str] = field(default_factory=list)


class WorkAdmin(RowsAdmin):
    """Rows with work that takes long: each of its ``works`` has a page, to which an action leads."""

    works: ClassVar[Sequence[type[Work]]] = ()

    def get_urls(self) -> list[URLPattern]:
        return [*(self._url(work) for work in self.works), *super().get_urls()]

    def _url(self, work: type[Work]) -> URLPattern:
        """Each batch is a transaction of its own, also where requests are such."""
        view = self.admin_site.admin_view(partial(self._view, work))
        transaction.non_atomic_requests(using=router.db_for_write(self.model))(view)
        return path(f"{work.name}/", view, name=self.url_name(work.name))

    def begin(self, request: HttpRequest, queryset: Any, work: type[Work]) -> HttpResponseBase | None:
        """The first page, for an action."""
        chosen = [str(key) for key in queryset.values_list("pk", flat=True)[: MOST_ROWS + 1]]
        if len(chosen) > MOST_ROWS:
            text = _t("Choose no more than %(most)d rows for this.") % {"most": MOST_ROWS}
            self.message_user(request, text, messages.ERROR)
            return None
        return self._ask(request, work, Progress(chosen))

    def _view(self, work: type[Work], request: HttpRequest) -> HttpResponseBase:
        if not (self.has_view_permission(request) and getattr(self, f"has_{work.name}_permission")(request)):
            raise PermissionDenied
        progress = self._read(request, work)
        if progress is None:
            self.message_user(request, _t("This page is out of date. Choose the rows again."), messages.ERROR)
            return HttpResponseRedirect(self.page_url(self.model, "changelist"))
        if progress.total is None:
            return self._ask(request, work, progress, request.POST)
        return self._step(request, work(progress.options), progress)

    # The pages

    def _ask(self, request: HttpRequest, work: type[Work], progress: Progress, data: Any = None) -> HttpResponseBase:
        """What the work has to know, and, once that is known, whether it is to be done."""
        form = work.form_class(data) if work.form_class else None
        try:
            if form is not None:
                if not form.is_valid():
                    asked = work(progress.options)
                    names = _names(asked, self._rows(request, asked, progress.rows))
                    return self._page(request, asked, progress, form=form, **names)
                progress.options = form.cleaned_data
            return self._plan(request, work(progress.options), progress)
        except (Unavailable, *DATABASE_AWAY):
            return self._page(request, work(progress.options), progress, form=form, error=Unavailable.detail)

    def _plan(self, request: HttpRequest, work: Work, progress: Progress) -> HttpResponseBase:
        rows = list(self._rows(request, work, progress.rows))
        progress.total, progress.begun_at = work.count(rows), timezone.now().isoformat()
        return self._page(request, work, progress, stage="plan", **_names(work, rows))

    def _step(self, request: HttpRequest, work: Work, progress: Progress) -> HttpResponseBase:
        try:
            self._go_on(request, work, progress)
        except (Unavailable, *DATABASE_AWAY):
            return self._page(request, work, progress, stage="stopped", error=Unavailable.detail)
        return self._page(request, work, progress, stage="working" if progress.rows else "done")

    def _page(self, request: HttpRequest, work: Work, progress: Progress, **more: Any) -> HttpResponseBase:
        request.current_app = self.admin_site.name  # the admin's own templates reverse with it
        context = {
            **self.admin_site.each_context(request),
            "title": self.title_of(work.title),
            "opts": self.opts,
            "action": self.page_url(self.model, work.name),
            "back": self.page_url(self.model, "changelist"),
            "work": work,
            "progress": progress,
            "share": progress.done / progress.total if progress.rows and progress.total else 1,
            "signed": signing.dumps(asdict(progress), salt=self._salt(request, work.name), compress=True),
            "stage": "ask",
            **more,
        }
        return TemplateResponse(request, "admin/bpo_chat/work.html", context)

    def _read(self, request: HttpRequest, work: type[Work]) -> Progress | None:
        """None for what no page of this person has sent, or too long ago."""
        signed, salt = request.POST.get("progress", ""), self._salt(request, work.name)
        try:
            return Progress(**signing.loads(signed, salt=salt, max_age=MAX_AGE))
        except (signing.BadSignature, TypeError):  # the latter for what another release has signed
            return None

    def _salt(self, request: HttpRequest, name: str) -> str:
        return f"{self.admin_site.name}:{self.url_name(name)}:{request.user.pk}"

    # The work

    def _go_on(self, request: HttpRequest, work: Work, progress: Progress) -> None:
        """At least one batch or row, and for about a second. Raises ``Unavailable``; what else a row is refused for is
        told, and the rest is done."""
        end = monotonic() + STEP_SECONDS
        for key in list(progress.rows):
            row = self._rows(request, work, [key]).first()
            try:
                if row is None:
                    raise NotFound
                for count in self._batches(request, work, row, progress):
                    progress.done += count
                    if monotonic() >= end:
                        return
            except Unavailable:
                raise
            except ChatError as error:
                progress.refused.append(f"{f'#{key}' if row is None else work.about(row)}: {error}")
            progress.rows.remove(key)
            if monotonic() >= end:
                return

    def _batches(self, request: HttpRequest, work: Work, row: Model, progress: Progress) -> Iterator[int]:
        """The first of them together with the row's line in the log."""
        batches = work.batches(row)
        database = router.db_for_write(self.model)
        with transaction.atomic(using=database):
            lock_first(database)
            first = next(batches, None)
            self._log_once(request, row, work.done, datetime.fromisoformat(progress.begun_at))
        if first is not None:
            yield first
            yield from batches

    def _log_once(self, request: HttpRequest, row: Model, text: str, since: datetime) -> None:
        """Whatever is sent again, and whoever begins again where an answer was lost."""
        moderator: Any = request.user
        same = LogEntry.objects.filter(
            user=moderator,
            content_type=ContentType.objects.get_for_model(row),
            object_id=str(row.pk),
            change_message=text,
            action_time__gte=since,
        )
        if not same.exists():
            self.log_change(request, row, text)

    def _rows(self, request: HttpRequest, work: Work, keys: Sequence[str]) -> Any:
        return self.get_queryset(request).filter(pk__in=keys).prefetch_related(*work.related)


def _names(work: Work, rows: Iterable[Any]) -> dict[str, list[str]]:
    """Of what was chosen, and what more there is."""
    names = sorted({work.about(row) for row in rows})
    return {"names": names[:NAMED_ROWS], "more": names[NAMED_ROWS:]}
