#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Trains on an ImageFolder that lies in a mount of Quire, for some epochs; the line with PlanSampler is all that Quire needs.

    train_imagefolder.py FOLDER [EPOCHS]          or several processes by torchrun
"""
import os
import sys

import torch
from torch import distributed, nn
from torch.utils.data import DataLoader, DistributedSampler, RandomSampler
from torchvision import datasets, transforms

import quire.torch


def main(folder, epochs):
    is_distributed = 'WORLD_SIZE' in os.environ
    if is_distributed:
        distributed.init_process_group('gloo')
    torch.manual_seed(1)
    dataset = datasets.ImageFolder(folder, transforms.Compose([transforms.Resize((28, 28)), transforms.ToTensor()]))
    sampler = DistributedSampler(dataset) if is_distributed else RandomSampler(dataset)
    sampler = quire.torch.PlanSampler(sampler)
    loader = DataLoader(dataset, batch_size=64, sampler=sampler, num_workers=2, persistent_workers=True)
    model = nn.Sequential(nn.Flatten(), nn.Linear(3 * 28 * 28, len(dataset.classes)))
    if is_distributed:
        model = nn.parallel.DistributedDataParallel(model)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.05)
    loss_of = nn.CrossEntropyLoss()
    for epoch in range(epochs):
        sampler.set_epoch(epoch)
        seen, loss_sum = 0, 0.0
        for images, labels in loader:
            optimizer.zero_grad()
            loss = loss_of(model(images), labels)
            loss.backward()
            optimizer.step()
            seen, loss_sum = seen + len(labels), loss_sum + float(loss) * len(labels)
        print(f'epoch {epoch}: {seen} samples, loss {loss_sum / seen:.3f}', flush=True)


if __name__ == '__main__':
    main(sys.argv[1], int(sys.argv[2]) if len(sys.argv) > 2 else 2)
