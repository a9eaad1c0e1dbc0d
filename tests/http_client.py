"""One HTTP request, and its answer."""

import contextlib
import dataclasses
import http.client
import json


@dataclasses.dataclass
class Response:
    status: int
    headers: dict  # names in lower case
    body: bytes

    def json(self):
        return json.loads(self.body)

    def data(self):
        """The data of an answer that must be a success."""
        answer = self.json()
        assert self.status < 300 and answer["success"] is True, (self.status, answer)
        return answer["data"]


def http_request(port, method, path, body=None, headers=None, address="127.0.0.1", timeout=30):
    """One request. body: bytes and str as they are, anything else as JSON."""
    headers = dict(headers or {})
    if body is not None and not isinstance(body, (bytes, str)):
        body = json.dumps(body)
        headers.setdefault("Content-Type", "application/json")
    connection = http.client.HTTPConnection(address, port, timeout=timeout)
    with contextlib.closing(connection):
        connection.request(method, path, body, headers)
        response = connection.getresponse()
        names = {name.lower(): value for name, value in response.getheaders()}
        return Response(response.status, names, response.read())
