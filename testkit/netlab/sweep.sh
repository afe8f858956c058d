# Ends what runs in the namespaces whose names begin with $1, and removes them with their files below /etc/netns.
for path in /run/netns/"$1"*; do
	[ -e "$path" ] || continue
	ns=${path##*/}
	tries=0
	while [ "$tries" -lt 100 ] && pids=$(ip netns pids "$ns" 2>/dev/null) && [ -n "$pids" ]; do
		kill -9 $pids 2>/dev/null
		tries=$((tries + 1))
		sleep 0.02
	done
	ip netns del "$ns" 2>/dev/null
done
for dir in /etc/netns/"$1"*; do
	[ -e "$dir" ] && rm -rf "$dir"
done
rmdir /etc/netns 2>/dev/null
exit 0
