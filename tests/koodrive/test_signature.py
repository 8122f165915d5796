from datetime import UTC, datetime, timedelta, timezone
from hashlib import sha256

import pytest

from etl.koodrive.signature import (
    RequestToSign,
    canonical_query,
    canonical_request,
    canonical_uri,
    format_x_date,
    sign,
    signature,
)

APP_SECRET = "koodrive-example-secret"

HOST = {"Host": "cn.myhuaweicloud-koodrive.com"}
DATE_AND_USER = {"X-Date": "20240909T033325Z", "X-User-Id": "1505084218764547200"}

TASK_PATH = "/koodrive/ose/v1/task"

MISTAKES = {
    "a date line in the string to sign": "db4e5b3bcce934b1284eb47494c40fd1524b668f551b37e32bf8a2237d315df0",
    "no empty line after the headers": "0422de708a8093950a553516e01d639abdb2bade61da59a93bb86f6e2de73d3b",
    "no slash at the end of the path": "40d3cf6f2ba466ee36d3c2f780e8c633d77606e587f800f02d02301cb3025b3d",
}
"""The signatures of K1 under the usual mistakes."""


K1 = RequestToSign(raw_path=f"{TASK_PATH}/1534087020903704704", headers={**HOST, **DATE_AND_USER})

KOODRIVE_VECTORS = {
    "K1": (
        K1,
        "d37b616be189647284375d47d91b1631625f6a5e351e68da99b78c7dcac1551a",
        "46a668b42f7dd59a1e8056c4effa7035e43825c492cb0b7fe76b94c4b77efeb8",
    ),
    "K2": (
        RequestToSign(raw_path=K1.raw_path, headers=DATE_AND_USER),
        "3fec6a21f1d2cb4585051defd8fee8c33d1fd3a31657f6465b31b83c6d126ea7",
        "2ae4329e2df1087c633ab483171e8271aeebca47bff5a96b52c8750edeadca6d",
    ),
    "K3": (
        RequestToSign(
            raw_path=f"{TASK_PATH}/list",
            query=(
                ("taskType", "0"),
                ("status", "3"),
                ("status", "2"),
                ("pageSize", "100"),
                ("pageCursor", "1723549107000"),
            ),
            headers=K1.headers,
        ),
        "df77a68d42bda569c410192ea19e3c7c199660ce3845aff2a272ddec4158f556",
        "918fe1a0ff3890f439da8778d636880830b29bf41605cb94f5e0db4dad779185",
    ),
    "K4": (
        RequestToSign(
            method="POST",
            raw_path=f"{TASK_PATH}/create",
            headers=K1.headers,
            body=b'{"taskType":0,"srcUserId":"1397687227244555008","dstUserId":"1507947856550550784"}',
        ),
        "7f8de05a6e4b3f26bd6a1864579a9beba7e349b06695786f09d8d4e54bb7459e",
        "9ba837189b851c2c8313a99825aea51140965d691a0042b8192e87e867ddfa1f",
    ),
    "K5": (
        RequestToSign(raw_path=f"{TASK_PATH}/result", query=(("taskId", "a b/~"), ("B", "")), headers=DATE_AND_USER),
        "c1f7829c0616240f411eb822ebdb0dc4f813fab81d84290c2e95c1945cbfdfe0",
        "b16a544388472e83f6c3b8e0b24d18b17562cecb7cfa30ef253be6deb0710a62",
    ),
}
"""Derived from KooDrive's rule: request, hash of the canonical request, signature."""

SIBLING_VECTORS = {
    "S1": (
        RequestToSign(
            raw_path="/v1/77b6a44cba5143ab91d13ab9a8ff44fd/vpcs",
            query=(("limit", "2"), ("marker", "13551d6b-755d-4757-b956-536f674975c0")),
            headers={
                "Content-Type": "application/json",
                "Host": "service.region.example.com",
                "X-Sdk-Date": "20191115T033655Z",
            },
        ),
        "b25362e603ee30f4f25e7858e8a7160fd36e803bb2dfe206278659d71a9bcd7a",
    ),
    "S2": (
        RequestToSign(
            raw_path="/app1",
            query=(("b", "2"), ("a", "1")),
            headers={
                "Host": "c967a237-cd6c-470e-906f-a8655461897e.apigw.exampleRegion.com",
                "X-Sdk-Date": "20191111T093443Z",
            },
        ),
        "af71c5a7ef45310b8dc05ab15f7da50189ffa81a95cc284379ebaa5eb61155c0",
    ),
    "S3": (
        RequestToSign(
            raw_path="/demo/login",
            query=(("parm1", "value1"), ("parm2", "")),
            headers={
                "Content-Type": "application/json",
                "Host": "www.demo.com",
                "X-Gateway-Date": "20200605T104456Z",
            },
        ),
        "1ace9c4e12e4e322a506e3866a6e81e62c8f9ae674aca7966a55b9c6deb6ea00",
    ),
}
"""Published for Huawei's sibling scheme, which has the same canonical request: request, its hash."""


def canonical_sha256(request):
    return sha256(canonical_request(request).encode()).hexdigest()


@pytest.mark.parametrize(("request_to_sign", "expected", "_signature"), KOODRIVE_VECTORS.values(), ids=KOODRIVE_VECTORS)
def test_the_canonical_request_follows_koodrives_rule(request_to_sign, expected, _signature):
    assert canonical_sha256(request_to_sign) == expected


@pytest.mark.parametrize(("request_to_sign", "expected"), SIBLING_VECTORS.values(), ids=SIBLING_VECTORS)
def test_the_canonical_request_agrees_with_huaweis_published_examples(request_to_sign, expected):
    assert canonical_sha256(request_to_sign) == expected


@pytest.mark.parametrize(("request_to_sign", "_sha256", "expected"), KOODRIVE_VECTORS.values(), ids=KOODRIVE_VECTORS)
def test_the_signature_follows_koodrives_rule(request_to_sign, _sha256, expected):
    assert signature(canonical_request(request_to_sign), app_secret=APP_SECRET) == expected


@pytest.mark.parametrize("mistaken", MISTAKES.values(), ids=MISTAKES)
def test_the_signature_avoids_the_usual_mistakes(mistaken):
    assert signature(canonical_request(K1), app_secret=APP_SECRET) != mistaken


def test_the_canonical_request_has_these_lines():
    assert canonical_request(K1).split("\n") == [
        "GET",
        "/koodrive/ose/v1/task/1534087020903704704/",
        "",
        "host:cn.myhuaweicloud-koodrive.com",
        "x-date:20240909T033325Z",
        "x-user-id:1505084218764547200",
        "",
        "host;x-date;x-user-id",
        "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
    ]


def test_the_authorization_header_has_this_value():
    assert sign(K1, app_id="a378331e", app_secret=APP_SECRET) == (
        "HMAC-SHA256 AppId=a378331e,SignedHeaders=host;x-date;x-user-id,"
        "Signature=46a668b42f7dd59a1e8056c4effa7035e43825c492cb0b7fe76b94c4b77efeb8"
    )


def test_header_order_case_and_outer_blanks_do_not_matter():
    shuffled = {"x-user-id": " 1505084218764547200 ", "HOST": HOST["Host"], "x-Date": "20240909T033325Z\t"}
    assert canonical_request(RequestToSign(method="get", raw_path=K1.raw_path, headers=shuffled)) == canonical_request(
        K1
    )


@pytest.mark.parametrize("missing", ["X-Date", "X-User-Id"])
def test_a_signature_must_cover_date_and_user(missing):
    headers = {name: value for name, value in K1.headers.items() if name != missing}
    with pytest.raises(ValueError, match=missing.lower()):
        sign(RequestToSign(raw_path=K1.raw_path, headers=headers), app_id="a", app_secret=APP_SECRET)


@pytest.mark.parametrize(
    ("raw_path", "expected"),
    [
        ("/", "/"),
        ("", "/"),
        ("/a", "/a/"),
        ("/a/", "/a/"),
        ("/a//b", "/a/b/"),
        ("/a/./b/../c", "/a/c/"),
        ("/../a", "/a/"),
        ("/a/.hidden", "/a/.hidden/"),
        ("/%E4%B8%AD%20a", "/%E4%B8%AD%20a/"),
    ],
)
def test_a_canonical_uri_has_no_dot_segments_and_ends_in_a_slash(raw_path, expected):
    assert canonical_uri(raw_path) == expected


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ((), ""),
        ((("b", "2"), ("a", "1")), "a=1&b=2"),
        ((("a", "1"), ("B", "2")), "B=2&a=1"),
        ((("a", "2"), ("a", "1")), "a=1&a=2"),
        ((("a", "+ &="),), "a=%2B%20%26%3D"),
        ((("name", "中"),), "name=%E4%B8%AD"),
        ((("a", "-_.~"),), "a=-_.~"),
    ],
)
def test_a_canonical_query_is_sorted_and_encoded(query, expected):
    assert canonical_query(query) == expected


def test_x_date_is_utc_in_whole_seconds():
    in_beijing = datetime(2024, 9, 9, 11, 33, 25, 999_999, tzinfo=timezone(timedelta(hours=8)))
    assert format_x_date(in_beijing) == "20240909T033325Z"
    assert format_x_date(datetime(2024, 1, 2, 3, 4, 5, tzinfo=UTC)) == "20240102T030405Z"
