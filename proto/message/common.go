package message

// commonWords are the strings that most messages have. A Summary names them by their place in this list, so the
// list belongs to its format: entries are only ever added, at the end.
var commonWords = [...]string{
	"text", "plain", "html", "multipart", "mixed", "alternative", "related", "signed", "report", "digest",
	"application", "octet-stream", "pdf", "zip", "message", "rfc822", "global", "delivery-status", "image", "png",
	"jpeg", "gif", "charset", "utf-8", "UTF-8", "us-ascii", "US-ASCII", "iso-8859-1", "ISO-8859-1", "windows-1252",
	"format", "flowed", "delsp", "yes", "boundary", "name", "filename", "7bit", "8bit", "binary",
	"quoted-printable", "base64", "attachment", "inline", "size", "type", "protocol", "micalg", "report-type", "calendar",
	"method", "text/html", "text/plain", "multipart/alternative", "en", "de", "fr", "es", "audio", "video",
	"pkcs7-signature", "pgp-signature", "pgp-encrypted", "encrypted", "disposition-notification", "feedback-report", "rfc822-headers", "css", "csv", "x-amp-html",
	"creation-date", "modification-date", "start", "feedback-type", "windows-1251", "koi8-r", "gb2312", "GB2312", "iso-2022-jp", "ISO-2022-JP",
	"iso-8859-15", "big5", "euc-kr", "shift_jis", "gmail.com", "outlook.com", "hotmail.com", "yahoo.com", "example.com", "icloud.com",
}

// maxCommon is the length of the longest of them.
const maxCommon = 24

// wordIndex finds the place of a common word.
var wordIndex = indexWords()

func indexWords() map[string]int {
	index := make(map[string]int, len(commonWords))
	for i, w := range commonWords {
		index[w] = i
	}
	return index
}
