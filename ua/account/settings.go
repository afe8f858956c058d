package account

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"strconv"

	"github.com/postrider/postrider/mail"
)

// KindSettings is the kind of the notes that hold the page's settings, as the page writes them: one for each account, "<account id>/settings".
const KindSettings = "settings"

const maxSettings = 256 << 10

type settingsJSON struct {
	Version  string          `json:"version"`
	Settings json.RawMessage `json:"settings"`
}

func (v *visit) settings() (any, error) {
	value, err := v.storedSettings()
	if err != nil {
		return nil, err
	}
	if value == nil {
		return settingsJSON{"", json.RawMessage("{}")}, nil
	}
	return settingsJSON{versionOf(value), value}, nil
}

// storedSettings are the settings as they are; nil when there are none.
func (v *visit) storedSettings() ([]byte, error) {
	n, err := v.h.cfg.Notes.Note(v.ctx, KindSettings, v.settingsKey())
	if mail.Is(err, mail.NotFound) {
		return nil, nil
	}
	return n.Value, err
}

func (v *visit) settingsKey() string {
	return strconv.FormatInt(int64(v.account.ID), 10) + "/settings"
}

// versionOf tells one state of the settings from another; "" is that there are none.
func versionOf(value []byte) string {
	if value == nil {
		return ""
	}
	sum := sha256.Sum256(value)
	return hex.EncodeToString(sum[:12])
}

// putSettings writes the settings on top of the version that was read. Conflict when another device was faster.
func (v *visit) putSettings() (any, error) {
	var in settingsJSON
	if err := read(v.w, v.r, &in); err != nil {
		return nil, err
	}
	var value bytes.Buffer
	if len(in.Settings) == 0 || in.Settings[0] != '{' || json.Compact(&value, in.Settings) != nil {
		return nil, mail.Errorf(mail.Invalid, "settings are a JSON object")
	}
	if value.Len() > maxSettings {
		return nil, mail.Errorf(mail.TooLarge, "settings can have %d octets", maxSettings)
	}
	old, err := v.storedSettings()
	if err != nil {
		return nil, err
	}
	if in.Version != versionOf(old) {
		return nil, faster()
	}
	put := mail.PutNote{If: mail.NoteAbsent, Note: mail.Note{Kind: KindSettings, Key: v.settingsKey(), Account: v.account.ID, Value: value.Bytes()}}
	if old != nil {
		put.If, put.Was = mail.NoteIs, old
	}
	_, err = v.h.cfg.Journal.Commit(v.ctx, mail.ChangeSet{Changes: []mail.Change{put}})
	switch {
	case mail.Is(err, mail.Conflict), mail.Is(err, mail.Exists):
		return nil, faster()
	case err != nil:
		return nil, err
	}
	return struct {
		Version string `json:"version"`
	}{versionOf(value.Bytes())}, nil
}

func faster() error {
	return mail.Errorf(mail.Conflict, "the settings were changed on another device; load them and change them again")
}
