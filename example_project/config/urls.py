from django.contrib import admin
from django.urls import include, path
from drf_spectacular.views import SpectacularAPIView

from django_bpo_chat.live.asyncapi import asyncapi
from people.views import APIPage, chat_page

urlpatterns = [
    path("", chat_page),
    path("admin/", admin.site.urls),
    path("api/v1/", include("django_bpo_chat.urls")),
    path("api/v1/schema/", SpectacularAPIView.as_view(), name="schema"),
    path("api/v1/asyncapi/", asyncapi),
    path("api/v1/docs/", APIPage.as_view()),
]
