// Package osspecific: what the module of Argo Workflows 4.0.5 lacks on Linux. See docs/decisions/kubernetes-test-rig.md.
//
// Written for the needs of the callers in cmd/argoexec/commands and workflow/executor/osspecific.
package osspecific

import (
	"errors"
	"os"
	"syscall"

	argoerrors "github.com/argoproj/argo-workflows/v4/util/errors"
)

// Term is the signal that asks a container to end.
var Term = syscall.SIGTERM

// CanIgnoreSignal tells signals that the Go runtime and the kernel send to argoexec itself.
func CanIgnoreSignal(s os.Signal) bool {
	switch s {
	case syscall.SIGCHLD, syscall.SIGURG:
		return true
	default:
		return false
	}
}

// Kill signals the group that a process leads; if the process leads none, the process.
func Kill(pid int, s syscall.Signal) error {
	if group, err := syscall.Getpgid(pid); err == nil {
		pid = -group
	}
	return syscall.Kill(pid, s)
}

// Setpgid makes the command lead a process group of its own, which Kill reaches.
func Setpgid(a *syscall.SysProcAttr) {
	a.Setpgid = true
}

// Wait returns once the process has ended: an ExitErr with its status, 128 + the number if a signal ended it.
// argoexec is a container's first process, so it reaps what the process has left behind meanwhile.
func Wait(process *os.Process) error {
	for {
		var status syscall.WaitStatus
		pid, err := syscall.Wait4(-1, &status, 0, nil)
		switch {
		case errors.Is(err, syscall.EINTR):
		case err != nil:
			return err
		case pid != process.Pid:
		case status.Exited():
			return argoerrors.NewExitErr(status.ExitStatus())
		case status.Signaled():
			return argoerrors.NewExitErr(128 + int(status.Signal()))
		}
	}
}
