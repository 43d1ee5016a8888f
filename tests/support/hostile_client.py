"""Clients that a server must bear (tests/cli/serve_hostile.sh). hostile_client.py PORT WHAT …:
raw            sends standard input, prints the status of the answer, or "closed"
files PID      17 requests of 64 files whose bodies do not end; prints how many files PID has in memory, and health
idle COUNT     COUNT connections that ask nothing; prints health
cut COUNT      COUNT requests, one after the other, that end in the body
drip COUNT     COUNT bodies of a byte now and then; prints the seconds until all are closed"""
import os
import socket
import sys
import time

PORT = int(sys.argv[1])
HEAD = b'POST /predict HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1000000\r\n'


def connect(data=b''):
    connection = socket.create_connection(('127.0.0.1', PORT))
    connection.settimeout(10)
    connection.sendall(data)
    return connection


def status(connection):
    try:
        answer = connection.recv(4096)
    except OSError as error:
        return type(error).__name__
    return answer.split()[1].decode() if answer else 'closed'


def health():
    return status(connect(b'GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n'))


def raw():
    return status(connect(sys.stdin.buffer.read()))


def memory_files(process):
    folder = f'/proc/{process}/fd'
    count = 0
    for fd in os.listdir(folder):
        try:
            count += 'memfd' in os.readlink(f'{folder}/{fd}')
        except FileNotFoundError:
            pass
    return count


def files(process):
    part = b'--bb\r\nContent-Disposition: form-data; name="i"; filename="f%d"\r\n\r\nx\r\n'
    body = b''.join(part % i for i in range(64)) + b'--bb\r\n'
    kept = [connect(HEAD + b'Content-Type: multipart/form-data; boundary=bb\r\n\r\n' + body) for _ in range(17)]
    until = time.monotonic() + 10
    count = 0
    while count < 64 * len(kept) and time.monotonic() < until:
        time.sleep(0.1)
        count = memory_files(process)
    return f'{count} {health()}'


def idle(count):
    kept = [connect() for _ in range(int(count))]
    time.sleep(0.5)
    answers = {health() for _ in range(3)}
    return ' '.join(answers) if kept else None


def cut(count):
    for _ in range(int(count)):
        connect(HEAD + b'\r\nabc').close()
    return health()


def drip(count):
    began = time.monotonic()
    kept = [connect(HEAD + b'\r\n') for _ in range(int(count))]
    while kept and time.monotonic() - began < 60:
        time.sleep(0.2)
        for connection in list(kept):
            try:
                connection.sendall(b'a')
            except OSError:
                kept.remove(connection)
    return int(time.monotonic() - began) if not kept else 'never'


print({'raw': raw, 'files': files, 'idle': idle, 'cut': cut, 'drip': drip}[sys.argv[2]](*sys.argv[3:]))
