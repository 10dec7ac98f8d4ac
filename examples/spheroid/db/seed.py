#!/usr/bin/env python3
"""Writes the sample data as SQL for psql: the same rows every time.

Users, projects and images with their segmentations. The COPY commands freeze
the rows, so this has to run in the transaction that made the tables (see load).
"""

import datetime
import hashlib
import json
import random
import sys

SEED = 20240229
USERS = 24
PROJECTS = 240
IMAGES_PER_PROJECT = 100
PLATES = 96
START = datetime.datetime(2024, 1, 8, 8, 0, tzinfo=datetime.timezone.utc)

FIRST_USER = ("ada@spheroid.example", "Ada Moreau", "spheroid-demo")
GIVEN = "Ben Chiara Dmitri Elif Farah Goran Hanna Ivo Jun Kofi Lena Mateo".split()
FAMILY = "Abara Berg Costa Dahl Eriksen Fonseca Galli Haas Ito Jansen Kaya Lund".split()
TISSUES = "liver kidney colon lung breast pancreas".split()
ASSAYS = "growth toxicity invasion hypoxia screening".split()
SENTENCES = (
    "Spheroids were grown for six days in ultra-low attachment plates before imaging.",
    "Every well was imaged in four overlapping tiles with a ten-fold objective.",
    "Wells with a visible air bubble were excluded and repeated on the next day.",
    "Nuclei were stained with Hoechst and the dead cells with propidium iodide.",
    "The control column received the vehicle only, in the same final concentration.",
    "Focus was set per plate from the median of five wells and then left alone.",
    "Segmentations below a confidence of one half are reviewed by two people.",
    "Plates were kept at 37 degrees throughout, except for the transfer to the stage.",
)
STATUSES = ("segmented", "reviewed", "pending", "failed")
STATUS_WEIGHTS = (45, 35, 12, 8)
MODELS = ("cellnet-2", "cellnet-3", "watershed")


def copy(table, columns, rows):
    """One COPY block; no value here has a tab, a newline or a backslash in it."""
    out = sys.stdout
    out.write(f"copy {table} ({columns}) from stdin with (freeze);\n")
    out.writelines("\t".join(map(str, row)) + "\n" for row in rows)
    out.write("\\.\n\n")


def users(rng):
    for number in range(1, USERS + 1):
        name = f"{rng.choice(GIVEN)} {rng.choice(FAMILY)}"
        email, password = f"user{number}@spheroid.example", rng.randbytes(12).hex()
        if number == 1:
            email, name, password = FIRST_USER
        salt = rng.randbytes(16)
        # The same cost as in the API (src/auth.js).
        digest = hashlib.scrypt(password.encode(), salt=salt, n=1024, r=8, p=1, dklen=32)
        yield number, email, name, salt.hex(), digest.hex()


def projects(rng):
    for number in range(1, PROJECTS + 1):
        name = f"{rng.choice(TISSUES)} {rng.choice(ASSAYS)} {number:03d}"
        description = " ".join(rng.sample(SENTENCES, len(SENTENCES)))
        created = START + datetime.timedelta(hours=number)
        yield number, rng.randint(1, USERS), name, description, created.isoformat()


def metadata_variants(rng, count=200):
    """What a microscope writes about a shot: 2 to 4 KB of JSON each."""
    for _ in range(count):
        channels = [
            {
                "index": index,
                "dye": rng.choice(("Hoechst", "PI", "GFP", "brightfield")),
                "exposureMs": rng.randint(5, 400),
                "gain": round(rng.uniform(1, 8), 3),
                "histogram": [rng.randint(0, 9999) for _ in range(rng.randint(90, 160))],
            }
            for index in range(4)
        ]
        yield json.dumps({"objective": "10x/0.30", "channels": channels}, separators=(",", ":"))


def images(rng):
    variants = list(metadata_variants(rng))
    total = PROJECTS * IMAGES_PER_PROJECT
    for number in range(1, total + 1):
        project = (number - 1) // IMAGES_PER_PROJECT + 1
        status = rng.choices(STATUSES, STATUS_WEIGHTS)[0]
        tile = (number - 1) % IMAGES_PER_PROJECT
        taken = START + datetime.timedelta(hours=project, seconds=rng.randint(0, 5_000_000))
        yield (
            number,
            project,
            f"p{project:03d}-tile{tile:03d}.tif",
            status,
            f"PL-{rng.randint(1, PLATES):03d}",
            rng.randint(1, 600) if status in ("segmented", "reviewed") else 0,
            1392,
            1040,
            # Ten tiles a row, each overlapping its neighbours.
            tile % 10 * 1200,
            tile // 10 * 900,
            taken.isoformat(),
            rng.choice(variants),
        )


def segmentations(rng, image_rows):
    number = 0
    for row in image_rows:
        if row[3] not in ("segmented", "reviewed"):
            continue
        number += 1
        spots = (
            f"{int(rng.random() * 1392)},{int(rng.random() * 1040)}"
            for _ in range(rng.randint(24, 32))
        )
        confidence = round(0.35 + rng.random() * 0.64, 4)
        yield number, row[0], rng.choice(MODELS), confidence, "{" + ",".join(spots) + "}"


def main():
    rng = random.Random(SEED)
    copy("app_user", "id, email, name, password_salt, password_hash", users(rng))
    copy("project", "id, owner_id, name, description, created_at", projects(rng))
    image_rows = list(images(rng))
    copy(
        "image",
        "id, project_id, name, status, plate_code, cell_count, width, height,"
        " stage_x, stage_y, taken_at, metadata",
        image_rows,
    )
    copy(
        "segmentation",
        "id, image_id, model, confidence, peaks",
        segmentations(rng, image_rows),
    )
    sys.stdout.write("analyze;\n")


if __name__ == "__main__":
    main()
