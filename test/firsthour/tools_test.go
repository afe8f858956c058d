package firsthour

import (
	"fmt"
	"net/textproto"
	"strings"
	"testing"
	"time"

	"github.com/postrider/postrider/testkit/netlab"
)

func short(t *testing.T) {
	t.Helper()
	if testing.Short() {
		t.Skip("starts other programs; left out by -short")
	}
}

// forge has a host send a message in the name of somebody else to a host and a recipient, and gives the answer to its last line.
func forge(t *testing.T, from *netlab.Host, to, recipient, author string) string {
	t.Helper()
	c, err := from.DialContext(t.Context(), "tcp", to+":25")
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	c.SetDeadline(time.Now().Add(netlab.Patience))
	conn := textproto.NewConn(c)
	_, _, err = conn.ReadResponse(220)
	for _, step := range []struct {
		code int
		line string
	}{
		{250, "EHLO " + from.Name}, {250, "MAIL FROM:<" + author + ">"}, {250, "RCPT TO:<" + recipient + ">"}, {354, "DATA"},
	} {
		if err == nil {
			if err = conn.PrintfLine("%s", step.line); err == nil {
				_, _, err = conn.ReadResponse(step.code)
			}
		}
	}
	if err != nil {
		t.Fatal(err)
	}
	text := fmt.Sprintf("From: <%s>\r\nTo: <%s>\r\nSubject: Forged\r\nDate: %s\r\n\r\nbelieve me\r\n.", author, recipient, time.Now().Format(time.RFC1123Z))
	if err := conn.PrintfLine("%s", text); err != nil {
		t.Fatal(err)
	}
	answer, err := conn.ReadLine()
	if err != nil {
		t.Fatal(err)
	}
	return strings.TrimSpace(answer)
}
