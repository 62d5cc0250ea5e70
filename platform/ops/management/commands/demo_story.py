from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from ops.claim_story import ClaimStory
from ops.doubts import StoryFailed
from ops.story import Story


class Command(BaseCommand):
    help = "Play the stories against the running demo; ends with 0 only if all books agree."

    def handle(self, *args: Any, **options: Any) -> None:
        demo = json.loads(Path(os.environ.get("MEDISETTLE_DEMO_FILE", "var/demo.json")).read_text())
        try:
            Story(demo, self.stdout.write).play()
            ClaimStory(demo, self.stdout.write).play()
        except StoryFailed as failed:
            raise CommandError(f"The story broke: {failed}") from failed
