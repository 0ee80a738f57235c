"""The kernel: system calls that lead out of walls or around limits, called by number where the C library has none."""

from __future__ import annotations

from attacks.attack import OUTCOME, SYSCALL, Attack

# On x86_64; each must answer with this error.
REFUSED = """
calls = {
    "ptrace": (101, 16, 1, 0, 0), "process_vm_readv": (310, 1, 0, 0, 0, 0, 0), "kcmp": (312, 1, 1, 0, 0, 0),
    "mount": (165, b"none", b"/tmp", b"tmpfs", 0, 0), "umount2": (166, b"/", 2), "pivot_root": (155, b".", b"."),
    "chroot": (161, b"/tmp"), "open_tree": (428, -100, b"/", 1), "fsopen": (430, b"tmpfs", 0),
    "mount_setattr": (442, -100, b"/", 0, 0, 0), "unshare": (272, 0x10000000), "setns": (308, 0, 0),
    "clone": (56, 0x10000000 | 17, 0, 0, 0, 0), "keyctl": (250, 0, -3, 0, 0, 0), "add_key": (248, b"user", b"a", b"b", 1, -3),
    "request_key": (249, b"user", b"a", 0, -3), "io_uring_setup": (425, 8, bytes(120)), "io_uring_enter": (426, 0, 1, 0, 0, 0, 0),
    "bpf": (321, 5, bytes(120), 120), "perf_event_open": (298, bytes(120), 0, -1, -1, 0), "userfaultfd": (323, 1),
    "shmget": (29, 0, 1 << 20, 0o1600), "msgget": (68, 0, 0o1600), "semget": (64, 0, 1, 0o1600),
    "mq_open": (240, b"queue", 0o102, 0o600, 0), "memfd_create": (319, b"x", 0), "memfd_secret": (447, 0),
    "pidfd_getfd": (438, 0, 0, 0), "process_madvise": (440, 0, 0, 0, 0, 0), "name_to_handle_at": (303, -100, b"/", 0, 0, 0),
    "open_by_handle_at": (304, 0, 0, 0), "init_module": (175, 0, 0, b""), "kexec_load": (246, 0, 0, 0, 0),
    "reboot": (169, 0xFEE1DEAD, 672274793, 0, 0), "swapon": (167, b"/tmp/x", 0), "sethostname": (170, b"x", 1),
    "clock_settime": (227, 0, bytes(16)), "iopl": (172, 3), "modify_ldt": (154, 0, 0, 0), "syslog": (103, 3, 0, 0),
    "vmsplice": (278, 0, 0, 0, 0), "fanotify_init": (300, 0, 0), "quotactl": (179, 0, 0, 0, 0), "acct": (163, 0),
    "quotactl_fd": (443, 0, 0, 0, 0), "open_tree_attr": (467, -100, b"/", 1, 0, 0),
}
"""

ATTACKS = [
    Attack(
        "refused_calls",
        SYSCALL
        + REFUSED
        + """
answers = {name: syscall(*call) for name, call in calls.items()}
print("otherwise", {name: answer for name, answer in answers.items() if answer != "EPERM"}, len(answers))
""",
        shows="otherwise {} 46",
    ),
    Attack(
        "calls_of_another_table",
        SYSCALL
        + """
print("clone3", syscall(435, bytes(88), 88), "x32", syscall(0x40000000 + 520, b"/bin/sh", 0, 0), syscall(0x40000000 + 165, 0, 0, 0, 0, 0))
""",
        shows="clone3 ENOSYS x32 ENOSYS ENOSYS",
    ),
    Attack(
        "calls_of_32_bits",
        """
import ctypes, mmap
code = mmap.mmap(-1, 4096, flags=mmap.MAP_PRIVATE, prot=7)
code.write(b"\\xb8\\x14\\x00\\x00\\x00\\xcd\\x80\\xc3")  # mov eax, 20; int 0x80; ret
print(ctypes.CFUNCTYPE(ctypes.c_int)(ctypes.addressof(ctypes.c_char.from_buffer(code)))())
""",
        ends="process died",
    ),
    Attack(
        "another_user",
        SYSCALL
        + OUTCOME
        + """
import subprocess
print("become", outcome(os.setuid, 0), outcome(os.setgid, 0), outcome(os.setgroups, [0]), outcome(os.setresuid, 0, 0, 0))
print("capset", syscall(126, bytes([0x22, 5, 8, 0x20, 0, 0, 0, 0]), b"\\xff" * 24))
print("status", [line.strip() for line in open("/proc/self/status") if line.startswith(("CapEff", "CapPrm", "NoNewPrivs", "Seccomp:"))])
print(subprocess.run(["su", "-c", "id"], capture_output=True, text=True, stdin=subprocess.DEVNULL).returncode != 0)
""",
        shows=(
            "become PermissionError PermissionError PermissionError PermissionError",
            "capset EPERM",
            "'CapPrm:\\t0000000000000000', 'CapEff:\\t0000000000000000', 'NoNewPrivs:\\t1', 'Seccomp:\\t2'",
            "True",
        ),
    ),
    Attack(
        "privileges_that_could_come_back",
        "print([line.split()[1] for line in open('/proc/self/status') if line.startswith(('CapBnd', 'CapInh', 'CapAmb'))])",
        shows="['0000000000000000', '0000000000000000', '0000000000000000']",
    ),
    Attack(
        "settings_of_the_kernel",
        OUTCOME
        + """
files = ["/proc/sys/kernel/core_pattern", "/proc/sysrq-trigger", "/proc/sys/vm/drop_caches", "/proc/1/oom_score_adj",
         "/proc/sys/kernel/hostname", "/proc/self/uid_map", "/proc/self/setgroups", "/proc/sys/kernel/ns_last_pid",
         "/proc/sys/net/core/somaxconn", "/proc/1/mem", "/proc/kcore", "/proc/kmsg"]
def write(file):
    with open(file, "w") as opened:
        opened.write("1")
print({outcome(write, file) for file in files} - {"PermissionError", "OSError", "FileNotFoundError"} or "refused")
import os
print(outcome(os.listdir, "/sys"), outcome(os.listdir, "/sys/fs/cgroup"))
""",
        shows=("refused", "FileNotFoundError FileNotFoundError"),
    ),
    Attack(
        "the_first_process",
        SYSCALL
        + OUTCOME
        + """
def look(file):
    with open(file, "rb") as opened:
        return opened.read(10)
files = [f"/proc/1/{name}" for name in ("mem", "environ", "maps", "auxv", "stack", "syscall")]
print({outcome(look, file) for file in files}, outcome(os.listdir, "/proc/1/fd"), outcome(os.readlink, "/proc/1/exe"))
print("core", syscall(157, 4, 1, 0, 0, 0), os.getppid())
""",
        shows=("{'PermissionError'} PermissionError PermissionError", "core no error 1"),
    ),
    Attack(
        "terminals",
        OUTCOME
        + """
import fcntl, os, pty
master, slave = pty.openpty()
print(outcome(fcntl.ioctl, slave, 0x5412, b"x"), outcome(os.open, "/dev/tty", os.O_RDWR), outcome(os.open, "/dev/console", os.O_RDWR))
""",
        shows="PermissionError FileNotFoundError FileNotFoundError",
    ),
]
