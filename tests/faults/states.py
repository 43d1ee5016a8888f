"""What a folder holds, so that two runs can be compared: names and contents, without what differs between equal runs."""
import hashlib
import os
import re
import struct

TEMPORARY = re.compile(r'\.tmp-.+-\d+-\d+$')
LOGS = ('.log', 'training_log.txt')  # they grow


def files(folder):
    return sorted(os.path.relpath(os.path.join(path, name), folder) for path, _, names in os.walk(folder) for name in names)


def is_log(name):
    return name.endswith(LOGS)


def content(folder, name):
    """The file without the times in it, and with the folder's own path replaced."""
    with open(os.path.join(folder, name), 'rb') as file:
        data = file.read()
    if name.endswith('.safetensors') and len(data) >= 8:  # the header has the seconds of the epochs
        return data[8 + struct.unpack('<Q', data[:8])[0]:]
    if name.endswith('metrics.csv'):  # the last two columns are seconds
        return b'\n'.join(line.rsplit(b',', 2)[0] for line in data.split(b'\n'))
    return data.replace(os.path.realpath(folder).encode(), b'{out}')


def state(folder):
    return {name: hashlib.sha256(content(folder, name)).hexdigest() for name in files(folder)
            if not is_log(name) and not TEMPORARY.search(name) and not os.path.basename(name).startswith('.')}


def whole(folder):
    """All that is in the folder, as one text: its folders, and files with their content (temporaries without their numbers, logs without
    content)."""
    found = []
    for path, folders, names in os.walk(folder):
        inside = os.path.relpath(path, folder)
        found += [(os.path.join(inside, name), 'a folder') for name in folders]
        for name in (os.path.join(inside, name) for name in names):
            is_read = os.path.isfile(os.path.join(folder, name)) and not is_log(name)
            found.append((TEMPORARY.sub('.tmp', name), hashlib.sha256(content(folder, name)).hexdigest() if is_read else 'not read'))
    return repr(sorted(found))


def temporaries(folder):
    return [name for name in files(folder) if TEMPORARY.search(name)]


def is_whole(folder, name):
    """Whether a file whose content is not known comes to its end."""
    with open(os.path.join(folder, name), 'rb') as file:
        data = file.read()
    if name.endswith('.png'):
        return data[-8:-4] == b'IEND'
    if name.endswith('.dcm'):  # ends with the pixels, and their length
        at = data.rfind(b'\xe0\x7f\x10\x00O')
        return at > 0 and len(data) == at + 12 + struct.unpack('<I', data[at + 8:at + 12])[0]
    if name.endswith('.safetensors'):
        if len(data) < 8:
            return False
        ends = [int(end) for end in re.findall(rb'"data_offsets":\[\d+,(\d+)\]', data)]
        return len(data) == 8 + struct.unpack('<Q', data[:8])[0] + max(ends, default=0)
    return data.endswith((b'\n', b'}', b'>')) if name.endswith(('.yaml', '.json', '.csv', '.txt', '.html')) else len(data) > 0
