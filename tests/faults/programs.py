"""The programs that are disturbed, each on a tiny case: 32x32 pixels, a narrow network, one thread."""
import os
import subprocess

from clients import ServeClient

NARROW = 'network: {width: 0.0625, depths: [1, 1, 1, 1], decoder_depths: [1, 1, 1]}\n'
SHORT_RUN = '--iterations-per-epoch 1 --validation-iterations 1 --batch-size 2 --patch-size 32x32'


class Case:
    """name; command: the program and its arguments, {out} is the folder that it may write to, {in} the folder of `prepare`.
    before: what {out} holds before the command, a folder of {in}. replaces: all of that at once, so that either all of it is
    there or none. marks: files that are removed before all others are replaced, and written after them; while the first is there,
    all others are of one run. notes: files, each with the word by which it tells what is missing. rerun: the command that goes on after
    the disturbance, if it is another one. client(in, out): makes what talks with the program.
    writes: whether it writes files, so that a limit of their size, or the disk, can disturb it."""

    def __init__(self, name, command, before=None, replaces=False, marks=(), notes=(), rerun=None, client=None, writes=True):
        self.marks = marks
        self.name, self.before, self.replaces, self.notes, self.client, self.writes = name, before, replaces, notes, client, writes
        self.command = command.split()
        self.rerun = (rerun or command).split()

    def missing(self, build, folder):
        """The program, or what it reads, that this build does not have: a series of DICOM without DCMTK."""
        paths = [f'{build}/{self.command[0]}', *(word.replace('{in}', folder) for word in self.command if word.startswith('{in}'))]
        return [path for path in paths if not os.path.exists(path)]


def asks_serve(inputs, out):
    return ServeClient(f'{inputs}/images/phantom_001_0000.nii.gz', f'{out}/.socket', f'{out}/answer.nii.gz')


CASES = [
    Case('make_phantom', 'make_phantom -o {out}/raw --cases 2 --size 2x32x32', rerun='make_phantom -o {out}/raw --cases 2 --size 2x32x32 --overwrite'),
    Case('plan_and_preprocess', 'plan_and_preprocess {in}/raw -o {out}/pre --override {in}/narrow.yaml --verify'),
    Case('plan_again', 'plan_and_preprocess {in}/raw -o {out}/pre --override {in}/wider.yaml', before='planned'),
    Case('train', f'train {{in}}/pre 0 -o {{out}}/results --epochs 2 {SHORT_RUN}',
         rerun=f'train {{in}}/pre 0 -o {{out}}/results --epochs 2 {SHORT_RUN} --continue'),
    Case('train_continue', f'train {{in}}/pre 0 -o {{out}}/results --epochs 2 {SHORT_RUN} --continue', before='half'),
    Case('train_overwrite', f'train {{in}}/pre 0 -o {{out}}/results --epochs 1 {SHORT_RUN} --overwrite --seed 5', before='half', replaces=True),
    Case('pretrain', 'pretrain {in}/images -o {out}/encoder.safetensors --override {in}/encoder.yaml --epochs 1 --iterations-per-epoch 1 --batch-size 2 --patch-size 32x32',
         rerun='pretrain {in}/images -o {out}/encoder.safetensors --override {in}/encoder.yaml --epochs 1 --iterations-per-epoch 1 --batch-size 2 --patch-size 32x32 --continue'),
    Case('predict', 'predict -i {in}/images -o {out}/p -m {in}/results --save-probabilities --overlay {out}/pictures'),
    Case('predict_one', 'predict -i {in}/images/phantom_001_0000.nii.gz -o {out}/p.nii.gz -m {in}/results'),
    Case('predict_again', 'predict -i {in}/images -o {out}/p -m {in}/results --no-tta --overwrite', before='predicted'),
    Case('ensemble', 'ensemble {in}/predicted/p {in}/other/p -o {out}/e'),
    Case('find_best_configuration', 'find_best_configuration {in}/results -o {out}/inference.yaml'),
    Case('evaluate', 'evaluate {in}/labels {in}/predicted/p -d {in}/raw/dataset.json -o {out}/e --images {in}/images --instances',
         notes=(('e/summary.json', b'failed_cases'), ('e/report.html', b'Input/output error'))),
    Case('evaluate_again', 'evaluate {in}/labels {in}/predicted/p -d {in}/raw/dataset.json -o {out}/e --instances', before='evaluated',
         marks=('e/summary.json', 'e/report.html'), notes=(('e/summary.json', b'failed_cases'), ('e/report.html', b'Input/output error'))),
    Case('convert_weights', 'convert_weights {in}/results/fold_0/checkpoint_final.safetensors {out}/w.pth'),
    Case('import_weights', 'convert_weights {in}/w.pth {out}/w.safetensors'),
    Case('convert_dataset', 'convert_dataset nnunet-v1 {in}/v1/Task004_Phantom {out}/Dataset004_Phantom'),
    Case('convert_dicom', 'convert_dicom {in}/ct -o {out}/image.nii.gz'),
    Case('segmentation', 'convert_dicom {in}/ct --labels {in}/ct_labels.nii.gz -d {in}/raw/dataset.json -o {out}/labels.dcm'),
    Case('predict_series', 'predict -i {in}/ct -m {in}/results -o {out}/labels.dcm'),
    Case('serve', 'serve -m {in}/results --listen unix:{out}/.socket', client=asks_serve, writes=False),
    Case('network_info', 'network_info swin_umamba -p 64x64 --width 0.125 --svg {out}/network.svg'),
]


def prepare(build, folder):
    """Makes in `folder` what the cases read, by the programs themselves."""
    def run(program, *arguments):
        arguments = [a.replace('{in}', folder) for word in arguments for a in word.split()]
        done = subprocess.run([f'{build}/{program}', *arguments, '--quiet'], capture_output=True, text=True, env=environment())
        if done.returncode:
            raise SystemExit(f'{program} {" ".join(arguments)}: status {done.returncode}\n{done.stderr}')

    def put(name, text):
        with open(f'{folder}/{name}', 'w') as file:
            file.write(text)

    put('narrow.yaml', NARROW)
    put('encoder.yaml', 'network: {width: 0.0625, depths: [1, 1, 1, 1]}\n')
    put('wider.yaml', NARROW.replace('0.0625', '0.125'))
    run('make_phantom', '-o {in}/raw --cases 5 --size 2x32x32')
    os.mkdir(f'{folder}/images')
    os.mkdir(f'{folder}/labels')
    for case in ('phantom_001', 'phantom_002'):
        os.link(f'{folder}/raw/imagesTr/{case}_0000.nii.gz', f'{folder}/images/{case}_0000.nii.gz')
        os.link(f'{folder}/raw/labelsTr/{case}.nii.gz', f'{folder}/labels/{case}.nii.gz')
    for pre in ('pre', 'planned/pre'):
        run('plan_and_preprocess', f'{{in}}/raw -o {{in}}/{pre} --override {{in}}/narrow.yaml')
    for results in ('results', 'half/results'):
        run('train', f'{{in}}/pre 0 -o {{in}}/{results} --epochs 1 {SHORT_RUN}')
    run('predict', '-i {in}/images -o {in}/predicted/p -m {in}/results --save-probabilities')
    run('predict', '-i {in}/images -o {in}/other/p -m {in}/results --save-probabilities --no-tta')
    run('evaluate', '{in}/labels {in}/other/p -d {in}/raw/dataset.json -o {in}/evaluated/e --instances')
    run('convert_weights', '{in}/results/fold_0/checkpoint_final.safetensors {in}/w.pth')
    make_old_dataset(folder)
    if os.path.exists(f'{build}/make_dicom'):
        subprocess.run([f'{build}/make_dicom', f'{folder}/ct', f'{folder}/ct.nii', *'size=32x32x2 spacing=1,1 step=0,0,3'.split()], check=True)
        run('predict', '-i {in}/ct -m {in}/results -o {in}/ct_labels.nii.gz')


def make_old_dataset(folder):
    """A raw dataset of nnU-Net 1: its dataset.json lists the cases."""
    import json
    os.makedirs(f'{folder}/v1/Task004_Phantom')
    task = f'{folder}/v1/Task004_Phantom'
    os.symlink(f'{folder}/raw/imagesTr', f'{task}/imagesTr')
    os.symlink(f'{folder}/raw/labelsTr', f'{task}/labelsTr')
    cases = sorted(name[:-len('.nii.gz')] for name in os.listdir(f'{folder}/raw/labelsTr'))
    training = [{'image': f'./imagesTr/{case}.nii.gz', 'label': f'./labelsTr/{case}.nii.gz'} for case in cases]
    with open(f'{task}/dataset.json', 'w') as file:
        json.dump({'name': 'Phantom', 'modality': {'0': 'MRI'}, 'labels': {'0': 'background', '1': 'a', '2': 'b'},
                   'numTraining': len(cases), 'numTest': 0, 'training': training, 'test': []}, file)


def environment(**more):
    """One thread, so that calls come in the same order, and no core files."""
    return {**os.environ, 'OMP_NUM_THREADS': '1', 'ASAN_OPTIONS': 'exitcode=99:allocator_may_return_null=1', 'UBSAN_OPTIONS': 'exitcode=99',
            'LSAN_OPTIONS': 'exitcode=99', **more}
