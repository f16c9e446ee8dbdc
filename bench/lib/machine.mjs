// The machine a table was made on, in words that fit under it; no names of hosts, no paths.

import { readFileSync } from 'node:fs';
import os from 'node:os';

function debianVersion() {
    try {
        const text = readFileSync('/etc/os-release', 'utf8');
        return /^PRETTY_NAME="(.*)"$/m.exec(text)?.[1] ?? '';
    } catch {
        return '';
    }
}

function isVirtual() {
    try {
        return / hypervisor /.test(readFileSync('/proc/cpuinfo', 'utf8'));
    } catch {
        return false;
    }
}

export function describeMachine() {
    const model = os.cpus()[0].model.replace(/\s+/g, ' ').trim();
    const memory = Math.round(os.totalmem() / 2 ** 30);
    const kernel = os.release().split('-')[0];
    return [
        `${os.cpus().length} ${isVirtual() ? 'virtual ' : ''}cores of ${model}`,
        `${memory} GiB`,
        `${os.type()} ${kernel}`,
        debianVersion(),
    ].filter(Boolean).join(', ');
}

/** How busy the machine was with other things: the load before the first run. */
export function loadBefore() {
    return os.loadavg()[0];
}
