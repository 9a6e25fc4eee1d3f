from django.contrib import admin
from django.urls import include, path

from people.views import chat_page

urlpatterns = [
    path("", chat_page),
    path("admin/", admin.site.urls),
    path("api/v1/", include("django_bpo_chat.urls")),
]
