"""A filter of system calls (seccomp): what no notebook needs, and what gets around namespaces and limits."""

from __future__ import annotations

import ctypes
import errno
import platform
import struct

from gradescent.grading.inside import linux

# Numbers on x86_64 and on aarch64, from the kernel's tables (arch/x86/entry/syscalls/syscall_64.tbl,
# include/uapi/asm-generic/unistd.h). None: the machine does not have it.
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
    "perf_event_open": (298, 241),
    "pidfd_getfd": (438, 438),
    "pivot_root": (155, 41),
    "process_madvise": (440, 440),
    "process_vm_readv": (310, 270),
    "process_vm_writev": (311, 271),
    "ptrace": (101, 117),
    "quotactl": (179, 60),
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


def load(network_namespace: bool, may_signal: int | None = None) -> None:
    """Install the filter, for this process and whatever it starts, for ever.

    Args:
        network_namespace: whether the process has a network of its own; without one it gets no internet sockets.
        may_signal: the only process that may be signalled, for want of a process namespace.

    Raises:
        OSError: the kernel refuses.
    """
    code = program(network_namespace, may_signal)
    buffer = ctypes.create_string_buffer(code)
    header = struct.pack("HxxxxxxP", len(code) // 8, ctypes.addressof(buffer))
    linux.checked(linux.LIBC.prctl(SET_SECCOMP, ctypes.c_ulong(SET_MODE_FILTER), header, 0, 0), "seccomp")


def program(network_namespace: bool, may_signal: int | None = None) -> bytes:
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
        code += _where(IOCTL[column], 1, [(EQUAL, 0, 1, request), (RETURN, 0, 0, FAIL | errno.EPERM)])
    if may_signal is not None:
        for numbers in (KILL, TGKILL):
            code += _only(numbers[column], 0, [may_signal], errno.EPERM)
        for numbers in (TKILL, SIGNAL_QUEUE, THREAD_SIGNAL_QUEUE, PIDFD_SIGNAL):
            code += _refuse(numbers[column], errno.EPERM)
    code.append((RETURN, 0, 0, ALLOW))
    return b"".join(struct.pack("HBBI", *instruction) for instruction in code)


Instruction = tuple[int, int, int, int]  # operation, instructions to skip when true, when false, operand


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
