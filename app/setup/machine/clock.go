package machine

import (
	"context"
	"crypto/rand"
	"encoding/binary"
	"io"
	"net"
	"time"

	"github.com/postrider/postrider/mail"
)

// TimeServers are asked for the time where the machine has none of its own to ask.
func TimeServers() []string { return []string{"time.cloudflare.com:123", "time.google.com:123"} }

// SNTP asks time servers, "name:port", one after another until one answers. RFC 5905 14.
func SNTP(clock mail.Clock, servers []string) func(ctx context.Context, dial Dial) (time.Duration, string, error) {
	return func(ctx context.Context, dial Dial) (time.Duration, string, error) {
		var err error = mail.Errorf(mail.Invalid, "no time server is known")
		for _, s := range servers {
			var off time.Duration
			if off, err = askTime(ctx, clock, dial, s); err == nil {
				host, _, _ := net.SplitHostPort(s)
				return off, host, nil
			}
			if ctx.Err() != nil {
				break
			}
		}
		return 0, "", mail.Errorf(mail.Unavailable, "no time server answers: %w", err)
	}
}

// timeTry bounds one question for the time.
const timeTry = 4 * time.Second

func askTime(ctx context.Context, clock mail.Clock, dial Dial, server string) (time.Duration, error) {
	ctx, cancel := context.WithTimeout(ctx, timeTry)
	defer cancel()
	conn, err := dial(ctx, "udp", server)
	if err != nil {
		return 0, err
	}
	defer conn.Close()
	stop := context.AfterFunc(ctx, func() { conn.Close() })
	defer stop()
	ask := make([]byte, ntpSize)
	ask[0] = 4<<3 | 3     // version 4, a client
	rand.Read(ask[40:48]) //nolint:errcheck // crypto/rand.Read never fails (Go 1.24)
	sent := clock.Now()
	if _, err := conn.Write(ask); err != nil {
		return 0, err
	}
	got := make([]byte, ntpSize)
	if _, err := io.ReadAtLeast(conn, got, ntpSize); err != nil {
		return 0, mail.Errorf(mail.Unavailable, "%s does not answer: %w", server, err)
	}
	return timeOffset(got, ask[40:48], sent, clock.Now())
}

const ntpSize = 48

// timeOffset reads an answer: how far a clock that read sent and received is behind. RFC 5905 7.3 and 8.
func timeOffset(got, cookie []byte, sent, received time.Time) (time.Duration, error) {
	switch {
	case len(got) < ntpSize:
		return 0, mail.Errorf(mail.Unavailable, "the answer is too short")
	case got[0]&7 != 4:
		return 0, mail.Errorf(mail.Unavailable, "the answer is none of a time server")
	case got[0]>>6 == 3 || got[1] == 0 || got[1] > 15:
		return 0, mail.Errorf(mail.Unavailable, "the time server does not know the time itself")
	case string(got[24:32]) != string(cookie):
		return 0, mail.Errorf(mail.Unavailable, "the answer is to another question")
	}
	came, left := ntpTime(got[32:40]), ntpTime(got[40:48])
	if came.IsZero() || left.IsZero() || left.Before(came) {
		return 0, mail.Errorf(mail.Unavailable, "the answer has no time")
	}
	return (came.Sub(sent) + left.Sub(received)) / 2, nil
}

// ntpTime reads a time: seconds since 1900, or since 2036 where the first bit is not set, and a fraction. RFC 5905 6.
func ntpTime(b []byte) time.Time {
	seconds, fraction := int64(binary.BigEndian.Uint32(b)), int64(binary.BigEndian.Uint32(b[4:]))
	if seconds == 0 && fraction == 0 {
		return time.Time{}
	}
	if seconds < 1<<31 {
		seconds += 1 << 32
	}
	const to1970 = 2208988800
	return time.Unix(seconds-to1970, fraction*int64(time.Second)>>32).UTC()
}
