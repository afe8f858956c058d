package setup

import (
	"fmt"
	"strings"
)

// The files of the service.
const (
	unitPath     = "/etc/systemd/system/postrider.service"
	sysusersPath = "/etc/sysusers.d/postrider.conf"
	userName     = "postrider"
	unitName     = "postrider.service"
)

// sysusers declares the user that the server runs as.
func sysusers(data string) string {
	return seal(fmt.Sprintf("# The user that Postrider runs as. Made by postrider setup.\nu %s - \"Postrider mail system\" %s\n", userName, sysusersWord(data)))
}

// sysusersWord is a path in a line of sysusers.d: in quotes where it has blanks.
func sysusersWord(path string) string {
	path = strings.ReplaceAll(path, "%", "%%")
	if strings.ContainsAny(path, " \t\"\\'") {
		return `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(path) + `"`
	}
	return path
}

// unitWord is one word of a line in a unit: specifiers and variables stay text.
func unitWord(s string) string {
	s = strings.NewReplacer(`%`, `%%`, `$`, `$$`).Replace(s)
	if strings.ContainsAny(s, " \t\"\\';") {
		return `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(s) + `"`
	}
	return s
}

// unit is the service: no rights but to open ports below 1024, nothing writable but its data.
func unit(executable, config, data string) string {
	place := "ReadWritePaths=" + strings.ReplaceAll(unitWord(data), "$$", "$")
	if data == DefaultData {
		place = "StateDirectory=postrider\nStateDirectoryMode=0700"
	}
	home := "yes"
	if below(data, "/home", "/root", "/run/user") || below(config, "/home", "/root", "/run/user") {
		home = "read-only"
	}
	return seal(`# The mail system as a service. Made by postrider setup; change it with: systemctl edit postrider
[Unit]
Description=Postrider mail system
Documentation=https://github.com/postrider/postrider
Wants=network-online.target
After=network-online.target nss-lookup.target time-sync.target

[Service]
Type=exec
ExecStart=` + unitWord(executable) + ` serve --config ` + unitWord(config) + `
User=` + userName + `
Group=` + userName + `
Restart=always
RestartSec=2
# Conversations have 15 seconds to end in good order.
TimeoutStopSec=30
LimitNOFILE=65536
UMask=0077

# Ports below 1024, and no other right.
AmbientCapabilities=CAP_NET_BIND_SERVICE
CapabilityBoundingSet=CAP_NET_BIND_SERVICE
NoNewPrivileges=yes

# It writes to its data and nowhere else.
` + place + `
ProtectSystem=strict
ProtectHome=` + home + `
PrivateTmp=yes
PrivateDevices=yes
DevicePolicy=closed

# It sees and changes nothing else of the machine.
ProtectHostname=yes
ProtectClock=yes
ProtectKernelTunables=yes
ProtectKernelModules=yes
ProtectKernelLogs=yes
ProtectControlGroups=yes
ProtectProc=invisible
# AF_NETLINK tells it the machine's own addresses.
RestrictAddressFamilies=AF_INET AF_INET6 AF_UNIX AF_NETLINK
RestrictNamespaces=yes
RestrictRealtime=yes
RestrictSUIDSGID=yes
RemoveIPC=yes
LockPersonality=yes
MemoryDenyWriteExecute=yes
SystemCallArchitectures=native
SystemCallFilter=@system-service
SystemCallFilter=~@privileged @resources
SystemCallErrorNumber=EPERM

[Install]
WantedBy=multi-user.target
`)
}

// below reports whether a path lies in one of the directories.
func below(path string, dirs ...string) bool {
	for _, d := range dirs {
		if path == d || strings.HasPrefix(path, d+"/") {
			return true
		}
	}
	return false
}
