package terminal

import (
	"charm.land/bubbles/v2/textinput"
	tea "charm.land/bubbletea/v2"

	"github.com/postrider/postrider/ua/terminal/plain"
)

// prompt is a question in the last line: for a text, or for y or n.
type prompt struct {
	label string
	input textinput.Model
	yesNo bool
	done  func(m *Model, text string) tea.Cmd
}

// ask asks for a text. Nothing happens when the person presses escape.
func (m *Model) ask(label, text string, done func(*Model, string) tea.Cmd) tea.Cmd {
	in := textinput.New()
	in.Prompt = ""
	in.CharLimit = 1000
	styles := in.Styles()
	styles.Cursor.Blink = false
	in.SetStyles(styles)
	in.SetValue(text)
	in.CursorEnd()
	m.prompt = &prompt{label: label, input: in, done: done}
	return m.prompt.input.Focus()
}

// confirm asks whether something is to be done.
func (m *Model) confirm(question string, yes func(*Model) tea.Cmd) tea.Cmd {
	m.prompt = &prompt{label: question + " (y/n) ", yesNo: true, done: func(m *Model, _ string) tea.Cmd { return yes(m) }}
	return nil
}

func (m *Model) promptKey(k tea.KeyPressMsg) tea.Cmd {
	p := m.prompt
	name := k.String()
	switch {
	case name == "esc", p.yesNo && name != "y" && name != "Y":
		m.prompt = nil
		return nil
	case p.yesNo:
		m.prompt = nil
		return p.done(m, "")
	case name == "enter":
		m.prompt = nil
		return p.done(m, p.input.Value())
	}
	var cmd tea.Cmd
	p.input, cmd = p.input.Update(k)
	return cmd
}

// paste puts what is pasted into a prompt; elsewhere it is not taken for keys.
func (m *Model) paste(msg tea.PasteMsg) tea.Cmd {
	if m.prompt == nil || m.prompt.yesNo {
		return nil
	}
	var cmd tea.Cmd
	m.prompt.input, cmd = m.prompt.input.Update(tea.PasteMsg{Content: plain.Line(msg.Content)})
	return cmd
}

func (p *prompt) view(width int) string {
	label := plain.Cut(" "+p.label, width-2)
	if p.yesNo {
		return styleBold.Render(label)
	}
	p.input.SetWidth(max(4, width-plain.Width(label)-2))
	return styleBold.Render(label) + p.input.View()
}
