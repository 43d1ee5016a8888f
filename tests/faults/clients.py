"""What talks with a program that does not end by itself."""
import http.client
import signal
import socket
import subprocess
import time

PATIENCE = 60  # seconds for an answer


class Connection(http.client.HTTPConnection):
    """HTTP over a unix socket."""

    def __init__(self, path):
        super().__init__('localhost', timeout=PATIENCE)
        self.path = path

    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self.path)


def wait_until_it_listens(process, path):
    """False if it ends before."""
    while process.poll() is None:
        try:
            connection = Connection(path)
            connection.connect()
            connection.close()
            return True
        except OSError:
            time.sleep(0.005)
    return False


def has_ended(process):
    """A process that crashes closes its connections before it has ended."""
    try:
        process.wait(1)
        return True
    except subprocess.TimeoutExpired:
        return False


def ask(path, image):
    """Status and body of the answer; 0 and why, if there is none."""
    connection = Connection(path)
    try:
        connection.request('POST', '/predict', image)
        answer = connection.getresponse()
        return answer.status, answer.read()
    except (OSError, http.client.HTTPException) as e:
        return 0, repr(e).encode()
    finally:
        connection.close()


class ServeClient:
    """Asks for the labels of an image twice, writes them, and ends the server. One question may fail, by an answer that says why;
    the next one must not: a server goes on."""

    def __init__(self, image, socket_path, answer):
        self.image, self.socket_path, self.answer = image, socket_path, answer

    def __call__(self, process):
        """Returns None, or what is wrong."""
        if not wait_until_it_listens(process, self.socket_path):
            return None
        with open(self.image, 'rb') as file:
            image = file.read()
        answers = [ask(self.socket_path, image), ask(self.socket_path, image)]
        if any(status != 200 for status, _ in answers):
            answers.append(ask(self.socket_path, image))
        status, labels = answers[-1]
        if not status and has_ended(process):  # it has been killed, or has crashed
            return None
        process.send_signal(signal.SIGTERM)
        if status != 200:
            return f'the last question has answer {status}: {labels[-300:]}'
        with open(self.answer, 'wb') as file:
            file.write(labels)
        return next((wrong for wrong in (self.wrong(answer, labels) for answer in answers) if wrong), None)

    def wrong(self, answer, labels):
        status, text = answer  # 0: the connection was closed
        if status == 200:
            return None if text == labels else 'two answers differ'
        return None if status >= 500 and b'error' in text else f'a question has answer {status}: {text[-300:]}'
