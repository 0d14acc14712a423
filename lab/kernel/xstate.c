// Prints how many bytes the kernel of this host has in the extended register set of a process (NT_X86_XSTATE, ptrace(2)):
// the size that its PTRACE_SETREGSET insists on. It grows with the processor: AMX alone adds 8 KiB.
#include <elf.h>
#include <signal.h>
#include <stdio.h>
#include <sys/ptrace.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

static char registers[1 << 20];

int main(void)
{
	struct iovec set = { registers, sizeof registers };
	pid_t child = fork();

	if (child == 0) {
		ptrace(PTRACE_TRACEME, 0, 0, 0);
		raise(SIGSTOP);
		_exit(0);
	}
	if (child < 0 || waitpid(child, NULL, 0) < 0) {
		perror("lab: xstate");
		return 1;
	}
	if (ptrace(PTRACE_GETREGSET, child, NT_X86_XSTATE, &set) < 0) {
		perror("lab: xstate: PTRACE_GETREGSET");
		set.iov_len = 0;
	}
	kill(child, SIGKILL);
	waitpid(child, NULL, 0);
	if (set.iov_len == 0)
		return 1;
	printf("%zu\n", set.iov_len);
	return 0;
}
