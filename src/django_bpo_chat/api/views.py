"""The chat's views: parse, one operation or one read, answer."""

import re
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any

from django.db.models import QuerySet
from django.http.response import HttpResponseBase
from rest_framework.authentication import BaseAuthentication
from rest_framework.permissions import BasePermission
from rest_framework.request import Request
from rest_framework.response import Response

from .. import access, operations, search, wire
from ..conf import chat_settings
from ..downloads import file_response
from ..exceptions import NotFound
from ..health import check_database
from ..http import Anything, ChatAPIView, absolute_url
from ..models import Row
from ..rates import spend
from ..serializers import (
    AttachmentQuery,
    ChangesQuery,
    Data,
    InviteInput,
    MarkReadInput,
    MessagesQuery,
    PeopleQuery,
    PreferencesInput,
    ReportInput,
    RoleInput,
    SearchQuery,
)
from ..users import handle
from .pagination import Keyset, KeysetPagination, by_handle, from_microseconds, microseconds, numbers
from .uploads import read_file

SEQ = re.compile(r"[1-9]\d{0,17}", re.ASCII)
"""A number that a column of 64 bits holds, whatever its digits."""


def _time_and_number(key: Sequence[Any]) -> tuple[datetime, int]:
    count, number = numbers(key)
    return from_microseconds(count), number


LAST_ACTIVE_FIRST = Keyset(
    fields=("chat__active_at", "chat_id"),
    descending=True,
    key=lambda membership: (microseconds(membership.chat.active_at), membership.chat_id),
    values=_time_and_number,
)
LONGEST_LISTED_FIRST = Keyset(fields=("id",), descending=False, key=lambda row: (row.pk,), values=numbers)
MOST_RELEVANT_FIRST = Keyset(
    fields=("relevance", "id"), descending=True, key=lambda row: (row.relevance, row.pk), values=numbers
)


class ListView(ChatAPIView):
    """Lists rows, in the order that ``keyset`` names, a page at a time: as in REST framework's own views, all at
    once where the site's pagination class has no page size."""

    @property
    def keyset(self) -> Keyset:
        raise NotImplementedError

    def page(self, rows: "QuerySet[Row]", shape: Callable[[Sequence[Row]], list[Any]]) -> Response:
        paginator = chat_settings.pagination_class()
        rows = rows.order_by(*self.keyset.ordering)
        page = paginator.paginate_queryset(rows, self.request, view=self)
        if page is None:
            return Response(shape(list(rows)))
        response: Response = paginator.get_paginated_response(shape(page))
        return response


class ChatsView(ListView):
    keyset = LAST_ACTIVE_FIRST
    rates = {"POST": "start_chat"}

    def get(self, request: Request) -> Response:
        return self.page(access.chats(self.user), lambda rows: [wire.chat(view) for view in access.chat_views(rows)])

    def post(self, request: Request) -> Response:
        values = self.parse(chat_settings.serializer("start_chat"))
        if "username" in values:
            chat, created = operations.start_direct(actor=self.user, username=values["username"])
        else:
            details = _only(values, "title", "members")
            chat, created = operations.start_group(actor=self.user, **details), True
        if created:
            return Response(wire.chat(access.started_chat(chat)), status=201)
        return Response(wire.chat(access.chat(self.user, chat.uri)))


class ChatView(ChatAPIView):
    def get(self, request: Request, uri: str) -> Response:
        return Response(wire.chat(access.chat(self.user, uri)))

    def patch(self, request: Request, uri: str) -> Response:
        values = self.parse(chat_settings.serializer("patch_chat"))
        username, details = values.get("username", handle(self.user)), _only(values, "title", "joinable", "history")
        if details:
            operations.edit_chat(actor=self.user, chat=uri, **details)
        elif username == handle(self.user):
            spend("join_chat", str(self.user.pk))
            operations.join_chat(actor=self.user, chat=uri)
        else:
            operations.add_member(actor=self.user, chat=uri, username=username)
        return Response(wire.chat(access.chat(self.user, uri)))


class MembersView(ListView):
    keyset = LONGEST_LISTED_FIRST

    def get(self, request: Request, uri: str) -> Response:
        return self.page(access.members(self.user, uri), lambda rows: [wire.member(row) for row in rows])


class MemberView(ChatAPIView):
    def patch(self, request: Request, uri: str, username: str) -> Response:
        role = self.parse(RoleInput)["role"]
        member = operations.change_role(actor=self.user, chat=uri, username=username, role=role)
        return Response(wire.member(member))

    def delete(self, request: Request, uri: str, username: str) -> Response:
        operations.remove_member(actor=self.user, chat=uri, username=username)
        return Response(status=204)


class BansView(ListView):
    keyset = LONGEST_LISTED_FIRST

    def get(self, request: Request, uri: str) -> Response:
        return self.page(access.bans(self.user, uri), lambda rows: [wire.ban(row) for row in rows])


class BanView(ChatAPIView):
    def put(self, request: Request, uri: str, username: str) -> Response:
        operations.ban_user(actor=self.user, chat=uri, username=username)
        return Response(status=204)

    def delete(self, request: Request, uri: str, username: str) -> Response:
        operations.unban_user(actor=self.user, chat=uri, username=username)
        return Response(status=204)


class InvitesView(ListView):
    keyset = LONGEST_LISTED_FIRST

    def get(self, request: Request, uri: str) -> Response:
        return self.page(access.invites(self.user, uri), lambda rows: [wire.invite(row) for row in rows])

    def post(self, request: Request, uri: str) -> Response:
        invite = operations.create_invite(actor=self.user, chat=uri, **self.parse(InviteInput))
        return Response(wire.invite(invite), status=201)


class InviteURLView(ChatAPIView):
    """Base of those whose URL lets people in: it is none of what Django logs of requests that are refused."""

    def finalize_response(self, *args: Any, **kwargs: Any) -> Response:
        response = super().finalize_response(*args, **kwargs)
        response._has_been_logged = True  # type: ignore[attr-defined]  # noqa: SLF001  (Django has no other way)
        return response


class InviteView(InviteURLView):
    def delete(self, request: Request, uri: str, token: str) -> Response:
        operations.revoke_invite(actor=self.user, chat=uri, token=token)
        return Response(status=204)


class AcceptInviteView(InviteURLView):
    rates = {"POST": "join_chat"}

    def post(self, request: Request, token: str) -> Response:
        member = operations.accept_invite(actor=self.user, token=token)
        return Response(wire.chat(access.chat(self.user, member.chat.uri)))


class PreferencesView(ChatAPIView):
    def patch(self, request: Request, uri: str) -> Response:
        member = operations.edit_preferences(actor=self.user, chat=uri, **self.parse(PreferencesInput))
        return Response(wire.preferences(member))


class MessagesView(ChatAPIView):
    rates = {"POST": "send_message"}

    def get(self, request: Request, uri: str) -> Response:
        page = access.messages(self.user, uri, **self.parse_query(MessagesQuery))
        return Response(
            {
                "version": page.version,
                "next": _neighbour(request, after=page.after),
                "previous": _neighbour(request, before=page.before),
                "results": [wire.message(row) for row in page.messages],
            }
        )

    def post(self, request: Request, uri: str) -> Response:
        values = self.parse(chat_settings.serializer("send_message"))
        message, created = operations.send_message(
            actor=self.user,
            chat=uri,
            text=values["message"],
            client_id=values.get("client_id") or "",
            reply_to=values.get("reply_to"),
            attachments=values.get("attachments") or (),
        )
        return Response(wire.message(message), status=201 if created else 200)


class AttachmentsView(ChatAPIView):
    rates = {"POST": "upload_attachment"}

    def post(self, request: Request, uri: str) -> Response:
        access.uploader(self.user, uri)  # before a large body is read
        with read_file(request) as file:
            attachment = operations.upload_attachment(actor=self.user, chat=uri, file=file)
        return Response(wire.attachment(attachment), status=201)


class AttachmentView(ChatAPIView):
    content_negotiation_class = Anything

    def get(self, request: Request, uri: str, key: str) -> HttpResponseBase:
        query = self.parse_query(AttachmentQuery)
        return file_response(request._request, access.attachment(self.user, uri, key), **query)


class MessageView(ChatAPIView):
    def patch(self, request: Request, uri: str, seq: str) -> Response:
        values = self.parse(chat_settings.serializer("edit_message"))
        message = operations.edit_message(actor=self.user, chat=uri, seq=_number(seq), text=values["message"])
        return Response(wire.message(message))

    def delete(self, request: Request, uri: str, seq: str) -> Response:
        message, _deleted = operations.delete_message(actor=self.user, chat=uri, seq=_number(seq))
        return Response(wire.message(message))


class ReactionView(ChatAPIView):
    def put(self, request: Request, uri: str, seq: str, emoji: str) -> Response:
        message = operations.add_reaction(actor=self.user, chat=uri, seq=_number(seq), emoji=emoji)
        return Response(wire.message(message))

    def delete(self, request: Request, uri: str, seq: str, emoji: str) -> Response:
        message = operations.remove_reaction(actor=self.user, chat=uri, seq=_number(seq), emoji=emoji)
        return Response(wire.message(message))


class ReadView(ChatAPIView):
    def put(self, request: Request, uri: str) -> Response:
        values = self.parse(MarkReadInput)
        seq, unread_count = operations.mark_read(actor=self.user, chat=uri, seq=values["seq"])
        return Response({"seq": seq, "unread_count": unread_count})


class UnreadView(ChatAPIView):
    def put(self, request: Request, uri: str) -> Response:
        values = self.parse(MarkReadInput)
        seq, unread_count = operations.mark_unread(actor=self.user, chat=uri, seq=values["seq"])
        return Response({"seq": seq, "unread_count": unread_count})


class ChangesView(ChatAPIView):
    def get(self, request: Request, uri: str) -> Response:
        changes = access.changes(self.user, uri, **self.parse_query(ChangesQuery))
        if changes.is_reset:
            return Response({"reset": True, "version": changes.version})
        return Response(wire.changes(changes))


class SearchView(ChatAPIView):
    """Not paged by a class of the site's, which is for rows of memberships and knows no relevance."""

    keyset = MOST_RELEVANT_FIRST

    def get(self, request: Request) -> Response:
        query = self.parse_query(SearchQuery)
        paginator = KeysetPagination()
        matches = search.matches(self.user, query["q"], chat=query.get("chat"))
        found = paginator.paginate_queryset(matches, request, view=self)
        results = search.results(self.user, found, query["q"])
        return paginator.get_paginated_response([wire.search_result(row) for row in results])


class ReportView(ChatAPIView):
    def post(self, request: Request, uri: str, seq: str) -> Response:
        reason = self.parse(ReportInput)["reason"]
        operations.report_message(actor=self.user, chat=uri, seq=_number(seq), reason=reason)
        return Response({}, status=202)


class BlocksView(ListView):
    keyset = LONGEST_LISTED_FIRST

    def get(self, request: Request) -> Response:
        return self.page(access.blocks(self.user), lambda rows: [wire.block(row) for row in rows])


class BlockView(ChatAPIView):
    def put(self, request: Request, username: str) -> Response:
        operations.block_user(actor=self.user, username=username)
        return Response(status=204)

    def delete(self, request: Request, username: str) -> Response:
        operations.unblock_user(actor=self.user, username=username)
        return Response(status=204)


class PeopleView(ListView):
    @property
    def keyset(self) -> Keyset:
        return by_handle()

    def get(self, request: Request) -> Response:
        beginning = self.parse_query(PeopleQuery)["q"]
        return self.page(access.people(self.user, beginning), lambda rows: [wire.user(row) for row in rows])


class HealthView(ChatAPIView):
    """Whether this process can serve requests, for whoever shares them out. It answers anybody, in whatever they accept
    and however often they ask, and does not tell what is wrong."""

    content_negotiation_class = Anything

    def get_authenticators(self) -> list[BaseAuthentication]:
        return []

    def get_permissions(self) -> list[BasePermission]:
        return []

    def check_throttles(self, request: Request) -> None:
        pass

    def get(self, request: Request) -> Response:
        check_database()
        return Response({"status": "ok"})


def _neighbour(request: Request, **bound: int | None) -> str | None:
    """The link to a page beside this one; None where there is no such page."""
    if None in bound.values():
        return None
    return absolute_url(request, **{"before": None, "after": None, "around": None, **bound})


def _only(values: Data, *names: str) -> Data:
    """What the contract knows: a site's own serializer may ask for more."""
    return {name: values[name] for name in names if name in values}


def _number(text: str) -> int:
    """The seq in a URL, as it is written everywhere. Raises ``NotFound`` for what cannot be one."""
    if not SEQ.fullmatch(text):
        raise NotFound
    return int(text)
