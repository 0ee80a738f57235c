"""A filter of system calls (seccomp): what no notebook needs, and what gets around namespaces and limits."""

from __future__ import annotations

import ctypes
import errno
import platform
import struct

from gradescent.grading.inside import linux

# Numbers on x86_64 and on aarch64, from the kernel's tables (arch/x86/entry/syscalls/syscall_64.tbl, scripts/syscall.tbl;
# tests/test_seccomp.py compares them with what is installed). None: the machine does not have it.
REFUSED: dict[str, tuple[int | None, int | None]] = {
    "acct": (163, 89),
    "add_key": (248, 217),
    "adjtimex": (159, 171),
    "bpf": (321, 280),
    "chroot": (161, 51),
    "clock_adjtime": (305, 266),
    "clock_settime": (227, 112),
    "delete_module": (176, 106),
    "fanotify_init": (300, 262),
    "finit_module": (313, 273),
    "fsconfig": (431, 431),
    "fsmount": (432, 432),
    "fsopen": (430, 430),
    "fspick": (433, 433),
    "init_module": (175, 105),
    "io_uring_enter": (426, 426),
    "io_uring_register": (427, 427),
    "io_uring_setup": (425, 425),
    "ioperm": (173, None),
    "iopl": (172, None),
    "kcmp": (312, 272),
    "kexec_file_load": (320, 294),
    "kexec_load": (246, 104),
    "keyctl": (250, 219),
    "memfd_create": (319, 279),  # memory that no limit of a process counts
    "memfd_secret": (447, 447),
    "modify_ldt": (154, None),
    "mount": (165, 40),
    "mount_setattr": (442, 442),
    "move_mount": (429, 429),
    "mq_open": (240, 180),
    "msgget": (68, 186),
    "name_to_handle_at": (303, 264),
    "open_by_handle_at": (304, 265),
    "open_tree": (428, 428),
    "open_tree_attr": (467, 467),
    "perf_event_open": (298, 241),
    "pidfd_getfd": (438, 438),
    "pivot_root": (155, 41),
    "process_madvise": (440, 440),
    "process_vm_readv": (310, 270),
    "process_vm_writev": (311, 271),
    "ptrace": (101, 117),
    "quotactl": (179, 60),
    "quotactl_fd": (443, 443),
    "reboot": (169, 142),
    "request_key": (249, 218),
    "semget": (64, 190),
    "setdomainname": (171, 162),
    "sethostname": (170, 161),
    "setns": (308, 268),
    "settimeofday": (164, 170),
    "shmget": (29, 194),  # as memfd_create
    "swapoff": (168, 225),
    "swapon": (167, 224),
    "syslog": (103, 116),
    "umount2": (166, 39),
    "unshare": (272, 97),
    "userfaultfd": (323, 282),
    "vmsplice": (278, 75),
}
CLONE, CLONE3, SOCKET, IOCTL, MMAP = (56, 220), (435, 435), (41, 198), (16, 29), (9, 222)
SET_SOCKET_OPTION = (54, 208)
SOCKET_LEVEL, SEND_BUFFER = 1, 7
SHARED, ANONYMOUS = 0x01, 0x20  # flags of mmap
KILL, TKILL, TGKILL, SIGNAL_QUEUE, THREAD_SIGNAL_QUEUE, PIDFD_SIGNAL = (
    (62, 129),
    (200, 130),
    (234, 131),
    (129, 138),
    (297, 240),
    (424, 424),
)
# Without namespaces. Landlock says nothing about the modes, owners and times of files: whoever owns them may change them. These
# calls do nothing and say that they were done, for the copies of shutil and tarfile make them, and break off otherwise.
WITHOUT_EFFECT: dict[str, tuple[int | None, int | None]] = {
    "chmod": (90, None),
    "fchmod": (91, 52),
    "fchmodat": (268, 53),
    "fchmodat2": (452, 452),
    "chown": (92, None),
    "fchown": (93, 55),
    "lchown": (94, None),
    "fchownat": (260, 54),
    "utime": (132, None),
    "utimes": (235, None),
    "futimesat": (261, None),
    "utimensat": (280, 88),
    "setpgid": (109, 154),  # who left the group would not end with it
    "setsid": (112, 157),
}
UNSUPPORTED: dict[str, tuple[int, int]] = {  # as on file systems that have no attributes
    "file_setattr": (469, 469),
    "fremovexattr": (199, 16),
    "fsetxattr": (190, 7),
    "lremovexattr": (198, 15),
    "lsetxattr": (189, 6),
    "removexattr": (197, 14),
    "removexattrat": (466, 466),
    "setxattr": (188, 5),
    "setxattrat": (463, 463),
}
OF_A_PROCESS: dict[str, tuple[int, int]] = {  # whose first argument is a process, 0 for the own one
    "prlimit64": (302, 261),
    "sched_setaffinity": (203, 122),
    "sched_setattr": (314, 274),
    "sched_setparam": (142, 118),
    "sched_setscheduler": (144, 119),
}
SET_PRIORITY, SET_IO_PRIORITY, FILE_CONTROL = (141, 140), (251, 30), (72, 25)
ALL_OF_A_USER = 2, 3  # processes, for the first and for the second of them
SET_OWNER, SET_OWNER_OF_KIND = 8, 15  # of a file: the process that gets signals about it
REQUESTS = 0x8901, 0x8902, 0x40086602, 0x401C5820  # the same for sockets; flags of files
MACHINES = {"x86_64": (0, 0xC000003E), "aarch64": (1, 0xC00000B7)}
OTHER_TABLE = 0x40000000  # the bit of x86_64's second table of numbers
UNIX, INTERNET, INTERNET_6, NETLINK = 1, 2, 10, 16
PUSH_INPUT, CONSOLE_CONTROL = 0x5412, 0x541C  # type into a terminal that belongs to somebody else

LOAD, EQUAL, SET, AT_LEAST, RETURN = 0x20, 0x15, 0x45, 0x35, 0x06
ALLOW, KILL_PROCESS, FAIL = 0x7FFF0000, 0x80000000, 0x00050000
NUMBER, ARCHITECTURE = 0, 4  # offsets in the kernel's description of a call
SET_MODE_FILTER, SET_SECCOMP = 2, 22


def supported() -> bool:
    return platform.machine() in MACHINES


def load(network_namespace: bool, alone: int | None = None) -> None:
    """Install the filter, for this process and whatever it starts, for ever.

    Args:
        network_namespace: whether the process has a network of its own; without one it gets no internet sockets.
        alone: the only process that may be signalled or set, for want of a namespace of processes. Modes, owners and times of
            files stay as they are, too.

    Raises:
        OSError: the kernel refuses.
    """
    code = program(network_namespace, alone)
    buffer = ctypes.create_string_buffer(code)
    header = struct.pack("HxxxxxxP", len(code) // 8, ctypes.addressof(buffer))
    linux.checked(linux.LIBC.prctl(SET_SECCOMP, ctypes.c_ulong(SET_MODE_FILTER), header, 0, 0), "seccomp")


def program(network_namespace: bool, alone: int | None = None) -> bytes:
    """The filter's instructions for this machine."""
    column, architecture = MACHINES[platform.machine()]
    code = [
        (LOAD, 0, 0, ARCHITECTURE),
        (EQUAL, 1, 0, architecture),
        (RETURN, 0, 0, KILL_PROCESS),
        (LOAD, 0, 0, NUMBER),
        (AT_LEAST, 0, 1, OTHER_TABLE),
        (RETURN, 0, 0, FAIL | errno.ENOSYS),
    ]
    for numbers in REFUSED.values():
        code += _refuse(numbers[column], errno.EPERM)
    code += _refuse(CLONE3[column], errno.ENOSYS)  # its flags cannot be read from here; the C library then takes clone
    code += _where(CLONE[column], 0, [(SET, 0, 1, linux.NEW_ANYTHING), (RETURN, 0, 0, FAIL | errno.EPERM)])
    # Landlock does not stand between a process and a socket that has a path: a daemon of the grader's, for instance.
    families = [NETLINK, *([UNIX, INTERNET, INTERNET_6] if network_namespace else [])]
    nameless = [(SET, 0, 2, ANONYMOUS), (SET, 0, 1, SHARED), (RETURN, 0, 0, FAIL | errno.ENOMEM)]
    code += _where(MMAP[column], 3, nameless)  # shared memory that no limit of a process counts
    # A socket holds what sockets hold, so that they can be counted; who asks for more is told that it was done.
    larger = [(EQUAL, 0, 3, SEND_BUFFER), (LOAD, 0, 0, 24), (EQUAL, 0, 1, SOCKET_LEVEL), (RETURN, 0, 0, FAIL)]
    code += _where(SET_SOCKET_OPTION[column], 2, larger)
    code += _only(SOCKET[column], 0, families, errno.EAFNOSUPPORT)
    for request in (PUSH_INPUT, CONSOLE_CONTROL):
        code += _where(IOCTL[column], 1, _fails_with(request))
    if alone is not None:
        code += _without_namespaces(column, alone)
    code.append((RETURN, 0, 0, ALLOW))
    return b"".join(struct.pack("HBBI", *instruction) for instruction in code)


Instruction = tuple[int, int, int, int]  # operation, instructions to skip when true, when false, operand


def _without_namespaces(column: int, alone: int) -> list[Instruction]:
    code: list[Instruction] = []
    for numbers in (KILL, TGKILL):
        code += _only(numbers[column], 0, [alone], errno.EPERM)
    for numbers in (TKILL, SIGNAL_QUEUE, THREAD_SIGNAL_QUEUE, PIDFD_SIGNAL):
        code += _refuse(numbers[column], errno.EPERM)
    for numbers in OF_A_PROCESS.values():
        code += _only(numbers[column], 0, [0, alone], errno.EPERM)
    for numbers, user in zip((SET_PRIORITY, SET_IO_PRIORITY), ALL_OF_A_USER, strict=True):
        code += _where(numbers[column], 0, _fails_with(user))
        code += _only(numbers[column], 1, [0, alone], errno.EPERM)
    for operation in (SET_OWNER, SET_OWNER_OF_KIND):
        code += _where(FILE_CONTROL[column], 1, _fails_with(operation))
    for request in REQUESTS:
        code += _where(IOCTL[column], 1, _fails_with(request))
    for found in WITHOUT_EFFECT.values():
        code += _refuse(found[column], 0)
    for numbers in UNSUPPORTED.values():
        code += _refuse(numbers[column], errno.EOPNOTSUPP)
    return code


def _fails_with(value: int) -> list[Instruction]:
    return [(EQUAL, 0, 1, value), (RETURN, 0, 0, FAIL | errno.EPERM)]


def _refuse(number: int | None, error: int) -> list[Instruction]:
    return [] if number is None else [(EQUAL, 0, 1, number), (RETURN, 0, 0, FAIL | error)]


def _where(number: int, argument: int, test: list[Instruction]) -> list[Instruction]:
    """Apply a test to the lower half of an argument of one call."""
    body = [(LOAD, 0, 0, 16 + 8 * argument), *test, (LOAD, 0, 0, NUMBER)]
    return [(EQUAL, 0, len(body), number), *body]


def _only(number: int, argument: int, values: list[int], error: int) -> list[Instruction]:
    """Refuse one call unless an argument is among the values."""
    tests = [(EQUAL, len(values) - i, 0, value & 0xFFFFFFFF) for i, value in enumerate(values)]
    return _where(number, argument, [*tests, (RETURN, 0, 0, FAIL | error)])
