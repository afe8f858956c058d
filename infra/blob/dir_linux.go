package blob

import (
	"io"
	"os"

	"golang.org/x/sys/unix"
)

// vecLimit is the kernel's limit on buffers in one vectored write.
const vecLimit = 1024

// writeAll writes all buffers with as few calls as the kernel allows.
func writeAll(f *os.File, off int64, bufs [][]byte) error {
	if len(bufs) == 1 {
		_, err := f.WriteAt(bufs[0], off)
		return err
	}
	raw, err := f.SyscallConn()
	if err != nil {
		return err
	}
	rest := make([][]byte, 0, len(bufs))
	for _, b := range bufs {
		if len(b) > 0 {
			rest = append(rest, b)
		}
	}
	for len(rest) > 0 {
		var n int
		var werr error
		err := raw.Control(func(fd uintptr) {
			n, werr = unix.Pwritev(int(fd), rest[:min(len(rest), vecLimit)], off)
		})
		if err != nil {
			return err
		}
		if werr == unix.EINTR {
			continue
		}
		if werr != nil {
			return &os.PathError{Op: "write", Path: f.Name(), Err: werr}
		}
		if n == 0 {
			return io.ErrShortWrite
		}
		off += int64(n)
		rest = advance(rest, n)
	}
	return nil
}

// advance drops the first n octets.
func advance(bufs [][]byte, n int) [][]byte {
	for len(bufs) > 0 && n >= len(bufs[0]) {
		n -= len(bufs[0])
		bufs = bufs[1:]
	}
	if n > 0 {
		bufs[0] = bufs[0][n:]
	}
	return bufs
}

// syncData makes a file's contents and length durable, not its times.
func syncData(f *os.File) error {
	for {
		err := unix.Fdatasync(int(f.Fd()))
		if err != unix.EINTR {
			return err
		}
	}
}

// room is what an unprivileged writer may still use of the file system under path.
func room(path string) (int64, error) {
	var st unix.Statfs_t
	if err := unix.Statfs(path, &st); err != nil {
		return 0, err
	}
	return int64(st.Bavail) * st.Bsize, nil
}
