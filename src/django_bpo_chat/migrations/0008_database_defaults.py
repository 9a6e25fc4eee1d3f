from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('bpo_chat', '0007_retention'),
    ]

    operations = [
        migrations.AlterField(
            model_name='membership',
            name='archived',
            field=models.BooleanField(db_default=False, default=False),
        ),
        migrations.AlterField(
            model_name='membership',
            name='muted',
            field=models.BooleanField(db_default=False, default=False),
        ),
        migrations.AlterField(
            model_name='membership',
            name='pinned',
            field=models.BooleanField(db_default=False, default=False),
        ),
        migrations.AlterField(
            model_name='message',
            name='is_reacted_to',
            field=models.BooleanField(db_default=False, default=False),
        ),
        migrations.AlterField(
            model_name='message',
            name='mentions',
            field=models.JSONField(blank=True, db_default=[], default=list),
        ),
    ]
