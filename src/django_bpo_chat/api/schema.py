"""What the chat's views say of themselves: see :mod:`django_bpo_chat.openapi`."""

from typing import Any

from .. import shapes
from ..files import UNKNOWN_TYPE
from ..images import TYPES
from ..openapi import BINARY, File, Operation, Page, describe
from ..serializers import (
    AttachmentQuery,
    ChangesQuery,
    InviteInput,
    MarkReadInput,
    MessagesQuery,
    PeopleQuery,
    PreferencesInput,
    ReportInput,
    RoleInput,
    SearchQuery,
)
from . import views
from .pagination import KeysetPagination
from .uploads import FIELD

CHATS, MEMBERS, MESSAGES, FILES, READING, PEOPLE = "Chats", "Members", "Messages", "Files", "Reading", "People"
SITE = "Site"

CHANGED_NOTHING = "Done again, it changes nothing."
NOTHING: dict[str, Any] = {"type": "object", "maxProperties": 0}
ONE_FILE = {"type": "object", "properties": {FIELD: BINARY}, "required": [FIELD]}
DOWNLOAD = File((UNKNOWN_TYPE, *sorted(set(TYPES.values()))))

describe(
    {
        views.ChatsView: {
            "GET": Operation("list_chats", CHATS, "List my chats", {200: Page(shapes.Chat)}, "The last active first."),
            "POST": Operation(
                "start_chat",
                CHATS,
                "Start a chat",
                {201: shapes.Chat, 200: shapes.Chat},
                "A group, or, with a `username`, the personal chat with them: `200` where there was one already.",
                body=("start_chat",),
                examples={
                    "A group": {},
                    "A group with a title": {"title": "Picnic", "members": ["mabel", "otis"]},
                    "A personal chat": {"username": "mabel"},
                },
            ),
        },
        views.ChatView: {
            "GET": Operation("get_chat", CHATS, "Get a chat", {200: shapes.Chat}),
            "PATCH": Operation(
                "patch_chat",
                CHATS,
                "Join, add somebody, or edit",
                {200: shapes.Chat},
                "With one's own `username`, or nothing: join. With another's: add them. Otherwise: edit the chat.",
                body=("patch_chat",),
                examples={
                    "Join": {},
                    "Add somebody": {"username": "otis"},
                    "Edit": {"title": "Picnic", "joinable": False, "history": "since_join"},
                },
            ),
        },
        views.MembersView: {
            "GET": Operation("list_members", MEMBERS, "List the members", {200: Page(shapes.Member)}, errors=(404,))
        },
        views.MemberView: {
            "PATCH": Operation(
                "change_role",
                MEMBERS,
                "Change a role",
                {200: shapes.Member},
                "The owner does. `owner` hands the chat over.",
                body=(RoleInput,),
                examples={"An admin": {"role": "admin"}},
            ),
            "DELETE": Operation(
                "remove_member",
                MEMBERS,
                "Leave, or remove somebody",
                {204: None},
                "With one's own username: leave.",
            ),
        },
        views.BansView: {"GET": Operation("list_bans", MEMBERS, "List the bans", {200: Page(shapes.Ban)})},
        views.BanView: {
            "PUT": Operation(
                "ban_user",
                MEMBERS,
                "Ban somebody",
                {204: None},
                f"They are removed and kept out, or kept out before they come. {CHANGED_NOTHING}",
            ),
            "DELETE": Operation("unban_user", MEMBERS, "Lift a ban", {204: None}),
        },
        views.InvitesView: {
            "GET": Operation(
                "list_invites",
                MEMBERS,
                "List the invites",
                {200: Page(shapes.Invite)},
                "Those that still let somebody in.",
            ),
            "POST": Operation(
                "create_invite",
                MEMBERS,
                "Make an invite",
                {201: shapes.Invite},
                body=(InviteInput,),
                examples={"A day, ten people": {"expires_in": 86400, "max_uses": 10}, "For ever": {}},
            ),
        },
        views.InviteView: {"DELETE": Operation("revoke_invite", MEMBERS, "Revoke an invite", {204: None})},
        views.AcceptInviteView: {
            "POST": Operation(
                "accept_invite", MEMBERS, "Come in by an invite", {200: shapes.Chat}, CHANGED_NOTHING, errors=(404,)
            )
        },
        views.PreferencesView: {
            "PATCH": Operation(
                "edit_preferences",
                CHATS,
                "Mute, pin, archive",
                {200: shapes.Preferences},
                "One's own view of the chat, which nobody else is told of.",
                body=(PreferencesInput,),
                examples={"Pin": {"pinned": True}},
            )
        },
        views.MessagesView: {
            "GET": Operation(
                "list_messages",
                MESSAGES,
                "Get messages",
                {200: shapes.MessagePage},
                "The newest page, unless one of `before`, `after` and `around` says otherwise.",
                query=MessagesQuery,
            ),
            "POST": Operation(
                "send_message",
                MESSAGES,
                "Send a message",
                {201: shapes.Message, 200: shapes.Message},
                "With a `client_id` a repetition is harmless for ever: `200`, and the one message as it is now.",
                body=("send_message",),
                examples={
                    "A message": {"message": "Hello world"},
                    "One that may be sent again": {"message": "Hello world", "client_id": "5e0c6a"},
                    "A reply": {"message": "Hello, @mabel", "reply_to": 1},
                },
                errors=(409,),
            ),
        },
        views.MessageView: {
            "PATCH": Operation(
                "edit_message",
                MESSAGES,
                "Edit a message",
                {200: shapes.Message},
                "Its author does.",
                body=("edit_message",),
                examples={"Another text": {"message": "Hello, world!"}},
            ),
            "DELETE": Operation(
                "delete_message",
                MESSAGES,
                "Delete a message",
                {200: shapes.Message},
                f"Its author does, the owner, or an admin. A tombstone stays. {CHANGED_NOTHING}",
            ),
        },
        views.ReportView: {
            "POST": Operation(
                "report_message",
                PEOPLE,
                "Report a message",
                {202: NOTHING},
                f"The site's moderators see it. {CHANGED_NOTHING}",
                body=(ReportInput,),
                examples={"Spam": {"reason": "Spam"}},
            )
        },
        views.ReactionView: {
            "PUT": Operation("add_reaction", MESSAGES, "React", {200: shapes.Message}, CHANGED_NOTHING, errors=(400,)),
            "DELETE": Operation(
                "remove_reaction",
                MESSAGES,
                "Take a reaction back",
                {200: shapes.Message},
                CHANGED_NOTHING,
                errors=(400,),
            ),
        },
        views.AttachmentsView: {
            "POST": Operation(
                "upload_attachment",
                FILES,
                "Upload a file",
                {201: shapes.Attachment},
                "It is nobody else's to see until it is sent with a message.",
                form=ONE_FILE,
            )
        },
        views.AttachmentView: {
            "GET": Operation(
                "download_attachment",
                FILES,
                "Download a file",
                {200: DOWNLOAD, 304: None},
                "Images come with their own content type, all else as a download.",
                query=AttachmentQuery,
            )
        },
        views.UnreadView: {
            "PUT": Operation(
                "mark_unread",
                READING,
                "Mark as unread",
                {200: shapes.ReadMark},
                "The mark moves back to `seq`, and never forward.",
                body=(MarkReadInput,),
                examples={"From the second message on": {"seq": 1}},
            )
        },
        views.ReadView: {
            "PUT": Operation(
                "mark_read",
                READING,
                "Mark as read",
                {200: shapes.ReadMark},
                "The mark never moves back. Beyond the end it is the end.",
                body=(MarkReadInput,),
                examples={"The first message": {"seq": 1}},
            )
        },
        views.ChangesView: {
            "GET": Operation(
                "get_changes",
                READING,
                "What changed since",
                {200: (shapes.Changes, shapes.Reset)},
                "While `more` is true, ask again with `since` set to the `version` of the answer.",
                query=ChangesQuery,
            )
        },
        views.SearchView: {
            "GET": Operation(
                "search_messages",
                MESSAGES,
                "Search",
                {200: Page(shapes.SearchResult, KeysetPagination)},
                query=SearchQuery,
                errors=(404,),
            )
        },
        views.BlocksView: {"GET": Operation("list_blocks", PEOPLE, "List whom I block", {200: Page(shapes.Block)})},
        views.BlockView: {
            "PUT": Operation("block_user", PEOPLE, "Block somebody", {204: None}, CHANGED_NOTHING, errors=(400,)),
            "DELETE": Operation("unblock_user", PEOPLE, "Unblock somebody", {204: None}),
        },
        views.PeopleView: {
            "GET": Operation(
                "list_people",
                PEOPLE,
                "Find people",
                {200: Page(shapes.ChatUser)},
                "Those to whom one may write.",
                query=PeopleQuery,
            )
        },
        views.HealthView: {
            "GET": Operation(
                "get_health",
                SITE,
                "Whether requests can be served",
                {200: shapes.Health},
                "For load balancers. It asks nobody who they are.",
                unconditional=True,
            )
        },
    }
)
