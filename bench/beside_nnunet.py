#!/usr/bin/env python3
"""nnU-Net in PyTorch for some minutes, to compare with train --minutes on the same cores: its own trainer, plan and
validation; the number of iterations is chosen so that the training takes that time. evaluate scores its predictions.

    bench/beside_nnunet.py BUILD DATASET -o WORK --minutes 10 [--configuration 2d] [--fold 0] [--threads 2] [--batch-size N]

WORK/evaluation is what evaluate --compare takes. Needs nnunetv2."""
import argparse
import json
import os
import shutil
import subprocess
import time

LEAST_EPOCHS, EPOCH = 20, 25  # at least so many epochs; of about so many iterations if there is time for more
TIMED = 4                     # iterations that are timed, after a first one


def parse():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("build", help="folder of the programs")
    p.add_argument("dataset", help="folder of the raw dataset")
    p.add_argument("-o", "--output", required=True, metavar="WORK", help="where to work")
    p.add_argument("--minutes", type=float, required=True, help="time of the training, without the final validation")
    p.add_argument("--configuration", default="2d", help="2d (default) or 3d_fullres")
    p.add_argument("--fold", type=int, default=0, help="fold to train (default: 0)")
    p.add_argument("--threads", type=int, default=2, help="threads of PyTorch (default: 2)")
    p.add_argument("--batch-size", type=int, help="patches of a batch (default: its plan's, made for a GPU)")
    return p.parse_args()


def prepare(o):
    """nnU-Net's folders; it reads them from the environment when it is imported."""
    name = os.path.basename(os.path.normpath(o.dataset))
    for folder in ("raw", "preprocessed", "results"):
        os.environ["nnUNet_" + folder] = os.path.abspath(os.path.join(o.output, folder))
        os.makedirs(os.environ["nnUNet_" + folder], exist_ok=True)
    os.environ.setdefault("nnUNet_n_proc_DA", "1")
    raw = os.path.join(os.environ["nnUNet_raw"], name)
    if not os.path.exists(raw):
        os.symlink(os.path.abspath(o.dataset), raw)
    return name


def preprocess(o, name):
    from nnunetv2.experiment_planning import plan_and_preprocess_api as api
    number = int(name[7:10])
    if os.path.exists(os.path.join(os.environ["nnUNet_preprocessed"], name, "nnUNetPlans_" + o.configuration)):
        return
    api.extract_fingerprints([number], num_processes=o.threads)
    plans = api.plan_experiments([number])
    api.preprocess([number], plans, configurations=(o.configuration,), num_processes=(o.threads,))


def train(o, name):
    import torch
    from nnunetv2.training.nnUNetTrainer.nnUNetTrainer import nnUNetTrainer
    torch.set_num_threads(o.threads)

    class ForMinutes(nnUNetTrainer):
        def seconds_of_step(self):
            self.on_train_epoch_start()
            for i in range(TIMED + 1):
                if i == 1:
                    begin = time.perf_counter()
                self.train_step(next(self.dataloader_train))
            return (time.perf_counter() - begin) / TIMED

        def on_train_start(self):
            super().on_train_start()
            seconds = 60 * o.minutes
            step = self.seconds_of_step()
            count = (seconds - (TIMED + 1) * step) / step / 1.05  # validation batches take the rest
            self.num_epochs = int(max(LEAST_EPOCHS, count / EPOCH))
            self.num_iterations_per_epoch = max(1, round(count / self.num_epochs))
            self.num_val_iterations_per_epoch = max(1, self.num_iterations_per_epoch // 10)
            self.optimizer, self.lr_scheduler = self.configure_optimizers()  # its schedule, with that number of epochs
            print(f"{step:.3f} s an iteration: {self.num_epochs} epochs of {self.num_iterations_per_epoch} iterations")

    folder = os.path.join(os.environ["nnUNet_preprocessed"], name)
    with open(folder + "/nnUNetPlans.json") as file:
        plans = json.load(file)
    with open(folder + "/dataset.json") as file:
        dataset = json.load(file)
    plans["continue_training"] = False
    if o.batch_size:
        plans["configurations"][o.configuration]["batch_size"] = o.batch_size
    trainer = ForMinutes(plans, o.configuration, o.fold, dataset, torch.device("cpu"))
    trainer.initialize()
    begin = time.perf_counter()
    trainer.run_training()
    took = time.perf_counter() - begin
    print(f"trained for {took / 60:.1f} minutes, {trainer.num_epochs * trainer.num_iterations_per_epoch} iterations of "
          f"{trainer.configuration_manager.batch_size} patches of {trainer.configuration_manager.patch_size}")
    trainer.perform_actual_validation()
    return os.path.join(trainer.output_folder, "validation")


def main():
    o = parse()
    name = prepare(o)
    preprocess(o, name)
    validation = train(o, name)
    instances = ["--instances"] if os.path.isdir(o.dataset + "/instancesTr") else []
    shutil.rmtree(o.output + "/evaluation", ignore_errors=True)
    subprocess.run([os.path.join(o.build, "evaluate"), o.dataset + "/labelsTr", validation, "-o", o.output + "/evaluation",
                    "-d", os.path.join(o.dataset, "dataset.json"), "--allow-missing", "--no-report", *instances], check=True)


if __name__ == "__main__":
    main()
