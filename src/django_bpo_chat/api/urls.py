"""The chat API. Every URL answers with and without its trailing slash."""

from django.urls import re_path

from . import views

app_name = "bpo_chat"

CHAT = r"^chats/(?P<uri>[^/]+)"
MESSAGE = CHAT + r"/messages/(?P<seq>[^/]+)"

urlpatterns = [
    re_path(r"^chats/?$", views.ChatsView.as_view(), name="chats"),
    re_path(CHAT + r"/?$", views.ChatView.as_view(), name="chat"),
    re_path(CHAT + r"/members/?$", views.MembersView.as_view(), name="members"),
    re_path(CHAT + r"/members/(?P<username>[^/]+)/?$", views.MemberView.as_view(), name="member"),
    re_path(CHAT + r"/bans/?$", views.BansView.as_view(), name="bans"),
    re_path(CHAT + r"/bans/(?P<username>[^/]+)/?$", views.BanView.as_view(), name="ban"),
    re_path(CHAT + r"/invites/?$", views.InvitesView.as_view(), name="invites"),
    re_path(CHAT + r"/invites/(?P<token>[^/]+)/?$", views.InviteView.as_view(), name="invite"),
    re_path(r"^invites/(?P<token>[^/]+)/?$", views.AcceptInviteView.as_view(), name="accept-invite"),
    re_path(CHAT + r"/me/?$", views.PreferencesView.as_view(), name="preferences"),
    re_path(CHAT + r"/messages/?$", views.MessagesView.as_view(), name="messages"),
    re_path(MESSAGE + r"/?$", views.MessageView.as_view(), name="message"),
    re_path(MESSAGE + r"/report/?$", views.ReportView.as_view(), name="report"),
    re_path(MESSAGE + r"/reactions/(?P<emoji>[^/]+)/?$", views.ReactionView.as_view(), name="reaction"),
    re_path(CHAT + r"/attachments/?$", views.AttachmentsView.as_view(), name="attachments"),
    re_path(CHAT + r"/attachments/(?P<key>[^/]+)/?$", views.AttachmentView.as_view(), name="attachment"),
    re_path(CHAT + r"/unread/?$", views.UnreadView.as_view(), name="unread"),
    re_path(CHAT + r"/read/?$", views.ReadView.as_view(), name="read"),
    re_path(CHAT + r"/changes/?$", views.ChangesView.as_view(), name="changes"),
    re_path(r"^search/?$", views.SearchView.as_view(), name="search"),
    re_path(r"^blocks/?$", views.BlocksView.as_view(), name="blocks"),
    re_path(r"^blocks/(?P<username>[^/]+)/?$", views.BlockView.as_view(), name="block"),
    re_path(r"^people/?$", views.PeopleView.as_view(), name="people"),
    re_path(r"^health/?$", views.HealthView.as_view(), name="health"),
]
