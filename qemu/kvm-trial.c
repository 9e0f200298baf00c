/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Trying KVM.
 *
 * Two trials, since each catches what the other can't. The first is a virtual CPU of our own that
 * walks from real mode to 64-bit mode and says how far it came through an I/O port: no QEMU
 * needed, a few milliseconds. The second is QEMU with `-cpu host` and its firmware, whose debug
 * port speaks within milliseconds of the first instruction. Seen where both matter: a host with
 * kvm_pvm, where the first passes and QEMU 7.2 aborts ("failed to set MSR 0x10a").
 *
 * Either may hang within the kernel, so each runs in a process of its own with a deadline; what
 * does not die of SIGKILL at once is left behind rather than waited for.
 */
#include "qemu/kvm-trial.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#define REAP_TIMEOUT_US (500 * G_GINT64_CONSTANT(1000))

/* Reads from @fd until @deadline, the end, or until @is_enough says so. NUL-terminated. */
static void
read_until(int fd, gint64 deadline, bool (*is_enough)(const char *text), GString *text)
{
    while (!is_enough || !is_enough(text->str)) {
        gint64 left = deadline - g_get_monotonic_time();
        struct pollfd poll_fd = { .fd = fd, .events = POLLIN };
        char buffer[4096];
        ssize_t n;

        if (left <= 0 || (poll(&poll_fd, 1, left / 1000 + 1) < 0 && errno != EINTR))
            return;
        if (!poll_fd.revents)
            continue;
        n = read(fd, buffer, sizeof(buffer));
        if (n <= 0)
            return;
        g_string_append_len(text, buffer, n);
    }
}

/* Kills and reaps @pid, but does not wait long for one that is stuck in the kernel. */
static void
end_process(pid_t pid)
{
    gint64 deadline = g_get_monotonic_time() + REAP_TIMEOUT_US;

    kill(pid, SIGKILL);
    while (waitpid(pid, NULL, WNOHANG) == 0 && g_get_monotonic_time() < deadline)
        g_usleep(1000);
}

#if defined(__x86_64__)

#include <linux/kvm.h>

#define GUEST_MEMORY 0x200000
#define CODE_AT 0x7000
#define PORT 0x10
#define STAGE_LAST 0x44
#define CPUID_MAX 256

extern const char kvm_trial_code[], kvm_trial_end[];

/* Real mode, protected mode, 64-bit mode with paging; ten thousand writes to memory; CPUID. After
 * each a byte on PORT. The page tables at 0x1000 are made by the host. */
__asm__(".pushsection .rodata\n"
        ".globl kvm_trial_code, kvm_trial_end\n"
        ".code16\n"
        "kvm_trial_code:\n"
        "    mov $0x11, %al\n"
        "    out %al, $0x10\n"
        "    cli\n"
        "    lgdtl 0x7000 + (3f - kvm_trial_code)\n"
        "    mov %cr0, %eax\n"
        "    or $1, %eax\n"
        "    mov %eax, %cr0\n"
        "    ljmpl $0x08, $0x7000 + (0f - kvm_trial_code)\n"
        ".code32\n"
        "0:  mov $0x10, %ax\n"
        "    mov %ax, %ds\n"
        "    mov %ax, %es\n"
        "    mov %ax, %ss\n"
        "    mov $0x8000, %esp\n"
        "    mov $0x22, %al\n"
        "    out %al, $0x10\n"
        "    mov %cr4, %eax\n"
        "    or $0x20, %eax\n" /* PAE */
        "    mov %eax, %cr4\n"
        "    mov $0x1000, %eax\n"
        "    mov %eax, %cr3\n"
        "    mov $0xc0000080, %ecx\n" /* EFER: LME */
        "    rdmsr\n"
        "    or $0x100, %eax\n"
        "    wrmsr\n"
        "    mov %cr0, %eax\n"
        "    or $0x80000001, %eax\n"
        "    mov %eax, %cr0\n"
        "    ljmpl $0x18, $0x7000 + (1f - kvm_trial_code)\n"
        ".code64\n"
        "1:  mov $0x33, %al\n"
        "    out %al, $0x10\n"
        "    mov $10000, %ecx\n"
        "2:  incl 0x9000\n"
        "    loop 2b\n"
        "    xor %eax, %eax\n"
        "    cpuid\n"
        "    mov %cr3, %rax\n"
        "    mov %rax, %cr3\n"
        "    mov $0x44, %al\n"
        "    out %al, $0x10\n"
        "    hlt\n"
        ".balign 8\n"
        "4:  .quad 0, 0x00cf9b000000ffff, 0x00cf93000000ffff, 0x00af9b000000ffff\n"
        "3:  .word 31\n"
        "    .long 0x7000 + (4b - kvm_trial_code)\n"
        "kvm_trial_end:\n"
        ".popsection\n");

typedef struct Trial {
    int kvm, machine, cpu;
    char *memory;
    struct kvm_run *run;
    const char *doing; /* what failed, when something did */
} Trial;

static bool
prepare_machine(Trial *trial)
{
    struct kvm_userspace_memory_region region = { .memory_size = GUEST_MEMORY };

    trial->doing = "creating a machine";
    trial->machine = ioctl(trial->kvm, KVM_CREATE_VM, 0);
    if (trial->machine < 0)
        return false;
    ioctl(trial->machine, KVM_SET_TSS_ADDR, 0xfffbd000ul); /* Intel without unrestricted guest */
    trial->doing = "giving it memory";
    trial->memory =
        mmap(NULL, GUEST_MEMORY, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (trial->memory == MAP_FAILED)
        return false;
    memcpy(trial->memory + CODE_AT, kvm_trial_code, kvm_trial_end - kvm_trial_code);
    *(guint64 *) (trial->memory + 0x1000) = 0x2003; /* PML4 */
    *(guint64 *) (trial->memory + 0x2000) = 0x3003; /* page directory pointers */
    *(guint64 *) (trial->memory + 0x3000) = 0x0083; /* one page of 2 MiB */
    region.userspace_addr = (gsize) trial->memory;
    return ioctl(trial->machine, KVM_SET_USER_MEMORY_REGION, &region) == 0;
}

static bool
prepare_cpu(Trial *trial)
{
    static struct {
        struct kvm_cpuid2 head;
        struct kvm_cpuid_entry2 entries[CPUID_MAX];
    } cpuid = { .head.nent = CPUID_MAX };
    struct kvm_regs registers = { .rip = CODE_AT, .rflags = 2 };
    struct kvm_sregs special;
    int size;

    trial->doing = "creating a virtual CPU";
    trial->cpu = ioctl(trial->machine, KVM_CREATE_VCPU, 0);
    size = ioctl(trial->kvm, KVM_GET_VCPU_MMAP_SIZE, 0);
    if (trial->cpu < 0 || size < 0)
        return false;
    trial->run = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, trial->cpu, 0);
    if (trial->run == MAP_FAILED)
        return false;
    trial->doing = "setting its features";
    if (ioctl(trial->kvm, KVM_GET_SUPPORTED_CPUID, &cpuid) < 0 ||
        ioctl(trial->cpu, KVM_SET_CPUID2, &cpuid) < 0)
        return false;
    trial->doing = "setting its registers";
    if (ioctl(trial->cpu, KVM_GET_SREGS, &special) < 0)
        return false;
    special.cs.base = special.cs.selector = 0;
    return ioctl(trial->cpu, KVM_SET_SREGS, &special) == 0 &&
           ioctl(trial->cpu, KVM_SET_REGS, &registers) == 0;
}

/* Runs until the code halts; false, or @stage not the last, when it did not come to that. */
static bool
run_cpu(Trial *trial, int *ret_stage, int report)
{
    trial->doing = "running it";
    while (ioctl(trial->cpu, KVM_RUN, 0) == 0) {
        const struct kvm_run *run = trial->run;

        if (run->exit_reason != KVM_EXIT_IO)
            return run->exit_reason == KVM_EXIT_HLT && *ret_stage == STAGE_LAST;
        *ret_stage = *((const guint8 *) run + run->io.data_offset);
        if (write(report, ".", 1) < 0)
            return false;
    }
    return false;
}

/* In the child. Says '.' for each stage and '!' for the whole, or what failed. */
static void
run_trial(int kvm, int report)
{
    Trial trial = { .kvm = kvm };
    int stage = 0;
    bool is_good =
        prepare_machine(&trial) && prepare_cpu(&trial) && run_cpu(&trial, &stage, report);
    const char *text = is_good ? "!" : trial.doing;

    if (write(report, text, strlen(text)) < 0)
        _exit(1);
    _exit(0);
}

static KvmState
judge_report(const char *report, char **ret_reason)
{
    const char *rest = report + strspn(report, ".");

    if (!strcmp(rest, "!"))
        return KVM_WORKS;
    *ret_reason = *rest ? g_strdup_printf("/dev/kvm: %s failed", rest)
                        : g_strdup_printf("/dev/kvm: a virtual CPU hung at stage %d of 4",
                                          (int) (rest - report) + 1);
    return KVM_BROKEN;
}

KvmState
kvm_try(gint64 timeout_us, char **ret_reason)
{
    g_autoptr(GString) report = g_string_new(NULL);
    int kvm = open("/dev/kvm", O_RDWR | O_CLOEXEC), pipe_fds[2];
    pid_t pid;

    if (kvm < 0) {
        int code = errno;

        *ret_reason = g_strdup_printf("/dev/kvm: %s", g_strerror(code));
        return code == ENOENT || code == ENXIO || code == ENODEV ? KVM_ABSENT : KVM_DENIED;
    }
    if (pipe2(pipe_fds, O_CLOEXEC) < 0)
        g_error("pipe: %s", g_strerror(errno));
    pid = fork();
    if (pid == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        run_trial(kvm, pipe_fds[1]);
    }
    close(pipe_fds[1]);
    close(kvm);
    if (pid > 0) {
        read_until(pipe_fds[0], g_get_monotonic_time() + timeout_us, NULL, report);
        end_process(pid);
    }
    close(pipe_fds[0]);
    return judge_report(report->str, ret_reason);
}

#else

KvmState
kvm_try(gint64 timeout_us, char **ret_reason)
{
    *ret_reason = g_strdup("not tried on this architecture");
    return KVM_UNKNOWN;
}

#endif

/* ---- QEMU ---- */

static void
die_with_parent(gpointer data)
{
    prctl(PR_SET_PDEATHSIG, SIGKILL);
}

static bool
has_line(const char *text)
{
    return strchr(text, '\n') != NULL;
}

/* Why QEMU gave up: the first line on stderr that says "error", else the last. Caller frees. */
static char *
complaint_line(const char *text)
{
    g_auto(GStrv) lines = g_strsplit(text, "\n", -1);
    const char *chosen = "";

    for (guint i = 0; lines[i]; i++) {
        if (strstr(lines[i], "error"))
            return g_strdup(lines[i]);
        if (*lines[i])
            chosen = lines[i];
    }
    return g_strdup(chosen);
}

bool
kvm_try_emulator(const char *emulator, gint64 timeout_us, char **ret_reason)
{
    /* SeaBIOS writes to port 0x402; the debug console passes that on. */
    const char *argv[] = { emulator,
                           "-nodefaults",
                           "-no-user-config",
                           "-display",
                           "none",
                           "-machine",
                           "pc",
                           "-m",
                           "16",
                           "-accel",
                           "kvm",
                           "-cpu",
                           "host",
                           "-chardev",
                           "stdio,id=debug,signal=off",
                           "-device",
                           "isa-debugcon,iobase=0x402,chardev=debug",
                           NULL };
    g_autoptr(GString) said = g_string_new(NULL);
    g_autoptr(GString) complaint = g_string_new(NULL);
    g_autoptr(GError) error = NULL;
    g_autofree char *line = NULL;
    int out, err;
    GPid pid;

    if (!g_spawn_async_with_pipes(NULL, (char **) argv, NULL, G_SPAWN_DO_NOT_REAP_CHILD,
                                  die_with_parent, NULL, &pid, NULL, &out, &err, &error)) {
        *ret_reason = g_strdup(error->message);
        return false;
    }
    read_until(out, g_get_monotonic_time() + timeout_us, has_line, said);
    end_process(pid);
    read_until(err, g_get_monotonic_time() + REAP_TIMEOUT_US, NULL, complaint);
    close(out);
    close(err);
    if (has_line(said->str))
        return true;
    line = complaint_line(complaint->str);
    *ret_reason = *line ? g_strdup(line) : g_strdup("its firmware did not run");
    return false;
}
