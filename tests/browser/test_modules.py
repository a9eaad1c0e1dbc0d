"""The pages' modules by themselves: modules/*_test.mjs, run in Chromium beside web/assets."""

import http.server
import pathlib
import threading

import pytest

HERE = pathlib.Path(__file__).resolve().parent
FOLDERS = {"assets": HERE.parent.parent / "web" / "assets", "modules": HERE / "modules"}
TESTS = sorted(path.name for path in FOLDERS["modules"].glob("*_test.mjs"))
RUN = """
const done = arguments[arguments.length - 1];
import(`/modules/${arguments[0]}`).then(() => import("/modules/check.mjs")).then(({ run }) => run())
  .then(done, (error) => done({ count: 0, failures: [String(error)] }));
"""


class Files(http.server.SimpleHTTPRequestHandler):
    extensions_map = {".mjs": "text/javascript", ".html": "text/html"}

    def translate_path(self, path):
        _, folder, name = [*path.split("?")[0].split("/"), "", ""][:3]
        return str(FOLDERS.get(folder, HERE / "nothing") / name)

    def do_GET(self):
        if self.path != "/":
            return super().do_GET()
        self.send_response(200)
        self.send_header("Content-Type", "text/html")
        self.end_headers()
        self.wfile.write(b"<!doctype html><title>modules</title>")

    def log_message(self, *arguments):
        pass


@pytest.fixture(scope="module")
def server():
    files = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Files)
    threading.Thread(target=files.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{files.server_address[1]}/"
    files.shutdown()
    files.server_close()


def test_there_are_module_tests():
    assert len(TESTS) >= 4


@pytest.mark.parametrize("zone", ["UTC", "America/St_Johns", "Asia/Kathmandu"])
@pytest.mark.parametrize("name", TESTS)
def test_module(browser, server, name, zone):
    driver = browser.driver
    driver.execute_cdp_cmd("Emulation.setTimezoneOverride", {"timezoneId": zone})
    browser.open(server)
    result = driver.execute_async_script(RUN, name)
    assert result["count"] > 0 or result["failures"]
    assert not result["failures"], "\n".join(result["failures"])
