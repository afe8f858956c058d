// Command null is a mail server that does next to nothing: it accepts every message for everybody. With -sync it appends each
// body to one file and answers after the file has been synced, one sync for all that wait: the least that a server that
// keeps its word has to do. It is written for speed and shares no code with Postrider, whose figures stand beside it.
//
// It takes connections on -addr and runs until it is stopped.
package main

import (
	"bufio"
	"bytes"
	"flag"
	"fmt"
	"io"
	"net"
	"os"
	"syscall"
)

func main() {
	addr := flag.String("addr", "127.0.0.1:2525", "where to listen")
	file := flag.String("sync", "", "append bodies to this file and sync it before answering")
	flag.Parse()
	fmt.Fprintln(os.Stderr, "null:", serve(*addr, *file))
	os.Exit(1)
}

// serve goes on until something fails.
func serve(addr, file string) error {
	l, err := net.Listen("tcp", addr)
	if err != nil {
		return err
	}
	var k *keeper
	if file != "" {
		f, err := os.OpenFile(file, os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o644)
		if err != nil {
			return err
		}
		k = &keeper{file: f, waiting: make(chan body, 1024)}
		go k.run()
	}
	for {
		conn, err := l.Accept()
		if err != nil {
			return err
		}
		go converse(conn, k)
	}
}

// body is one message; kept gets the result of storing it.
type body struct {
	text []byte
	kept chan error
}

// keeper appends what waits and syncs once for all of it.
type keeper struct {
	file    *os.File
	waiting chan body
}

func (k *keeper) run() {
	var group []body
	var buffer []byte
	for first := range k.waiting {
		group, buffer = append(group[:0], first), append(buffer[:0], first.text...)
	more:
		for len(group) < 1024 {
			select {
			case b := <-k.waiting:
				group, buffer = append(group, b), append(buffer, b.text...)
			default:
				break more
			}
		}
		_, err := k.file.Write(buffer)
		if err == nil {
			err = syscall.Fdatasync(int(k.file.Fd()))
		}
		for _, b := range group {
			b.kept <- err
		}
	}
}

// converse speaks as much SMTP as a client that makes no mistakes needs.
func converse(conn net.Conn, k *keeper) {
	defer conn.Close()
	in, out := bufio.NewReaderSize(conn, 16<<10), bufio.NewWriterSize(conn, 4<<10)
	b := body{kept: make(chan error, 1)}
	answer := func(text string) bool {
		if _, err := out.WriteString(text); err != nil {
			return false
		}
		return in.Buffered() > 0 || out.Flush() == nil
	}
	if !answer("220 null\r\n") {
		return
	}
	for {
		line, err := in.ReadSlice('\n')
		if err != nil || len(line) < 4 {
			return
		}
		reply := "250 ok\r\n"
		switch string(bytes.ToUpper(line[:4])) {
		case "EHLO":
			reply = "250-null\r\n250 PIPELINING\r\n"
		case "QUIT":
			answer("221 bye\r\n")
			return
		case "DATA":
			if !answer("354 go on\r\n") {
				return
			}
			if b.text, err = readBody(in, b.text[:0]); err != nil {
				return
			}
			if k != nil {
				k.waiting <- b
				if err := <-b.kept; err != nil {
					reply = "451 " + err.Error() + "\r\n"
				}
			}
		}
		if !answer(reply) {
			return
		}
	}
}

// readBody reads to the line of one dot.
func readBody(in *bufio.Reader, to []byte) ([]byte, error) {
	for {
		line, err := in.ReadSlice('\n')
		if err != nil && err != bufio.ErrBufferFull {
			if err == io.EOF {
				err = io.ErrUnexpectedEOF
			}
			return to, err
		}
		if len(line) == 3 && line[0] == '.' {
			return to, nil
		}
		to = append(to, line...)
	}
}
