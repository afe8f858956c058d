package dialog

import (
	"bufio"
	"crypto/tls"
	"fmt"
	"net"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	infratls "github.com/postrider/postrider/infra/tls"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// echo is a server that answers each line, in the words of a toy protocol.
func echo(conn net.Conn, cfg *tls.Config) {
	defer conn.Close()
	in := bufio.NewReader(conn)
	fmt.Fprint(conn, "+OK <123.45@toy>\r\n")
	for {
		line, err := in.ReadString('\n')
		if err != nil {
			return
		}
		switch line = strings.TrimRight(line, "\r\n"); line {
		case "QUIT":
			fmt.Fprint(conn, "+BYE\r\n")
			return
		case "TLS":
			fmt.Fprint(conn, "+GO\r\n")
			conn = tls.Server(conn, cfg)
			in = bufio.NewReader(conn)
		case "LIST":
			fmt.Fprint(conn, "* one\r\n* two\r\n+DONE\r\n")
		case "BARE":
			fmt.Fprint(conn, "bare\n")
		case "SILENCE":
		default:
			fmt.Fprintf(conn, "+%s\r\n", line)
		}
	}
}

func runner(t *testing.T) Runner {
	k, err := infratls.Open(infratls.KeeperConfig{Dir: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	return Runner{Timeout: 300 * time.Millisecond, Vars: map[string]string{"user": "ann.b"}, Dial: func(testing.TB) net.Conn {
		a, b := net.Pipe() // without any buffer: what would lock up on a real network does here
		go echo(b, k.Server(infratls.Users))
		return a
	}}
}

func TestDialog(t *testing.T) {
	t.Parallel()
	runner(t).Run(t, "good", `
# everything a script can say
S: /\+OK <(?P<stamp>.*)>/
C: hello ${user} ${stamp} ${unknown}
S: +hello ann.b 123.45@toy ${unknown}
C: x
S: /\+x|never/
C: ann.b
S: /\+${user}/
C: LIST
S* /\* .*/
S: +DONE
C: LIST
S~ +DONE
C| "a\r\nb\r\nc"
C| "d\r\n"
C: LIST
C: QUIT
S| "+a\r\n+b\r\n+cd\r\n* one\r\n"
S* nothing
S| "* two\r\n+DONE\r\n"
2S~ /\+OK.*/
2C: TLS
2S: +GO
2TLS
2C: over TLS
2S: +over TLS
2CLOSE
S: +BYE
EOF
3C: pipelined
3C: pipelined
3C: pipelined
3S: +OK <123.45@toy>
3S: +pipelined
3S: +pipelined
3CLOSE
`)
}

func TestDialogFails(t *testing.T) {
	t.Parallel()
	for script, want := range map[string]string{
		"S: +OK":                                `x:1: S: +OK` + "\n\t" + `the server says: "+OK <123.45@toy>"`,
		"S~ /.OK.*/\nC: a\nS: /b/":              `x:3: S: /b/` + "\n\t" + `the server says: "+a"`,
		"S~ /.OK.*/\nC: SILENCE\nS: +a":         "timeout",
		"S~ /.OK.*/\nC: QUIT\nS: +BYE\nS: more": "it closed the connection",
		"S~ /.OK.*/\nEOF":                       "does not close",
		"S~ /.OK.*/\nC: a\nEOF":                 `says: "+a"`,
		"S~ never":                              "timeout",
		"S| \"+no\"":                            `says: "+OK"`,
		"S~ /.OK.*/\nC: BARE\nS: bare":          "does not end with CRLF",
		"S: /(/":                                "missing closing",
		"S~ /.OK.*/\nC| a":                      "not a Go string",
		"X: a":                                  "no line of a dialog",
		"S~ /.OK.*/\nCLOSE\nC: a":               "closed this connection",
		"S~ /.OK.*/\nC: LIST\nTLS":              "TLS",
	} {
		t.Run("", func(t *testing.T) {
			t.Parallel()
			err := runner(t).play(t, "x", script)
			if err == nil || !strings.Contains(err.Error(), want) {
				t.Errorf("%q:\n got %v\nwant %s", script, err, want)
			}
		})
	}
}
