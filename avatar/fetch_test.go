package avatar

import "testing"

// Inside of the package: no name that may be asked leads to such an address where tests run.
func TestRefusePrivate(t *testing.T) {
	t.Parallel()
	for _, address := range []string{"127.0.0.1:443", "[::1]:443", "10.0.0.1:443", "172.16.0.1:443", "192.168.1.1:443", "169.254.169.254:80", "[fe80::1%eth0]:443",
		"[fd00::1]:443", "0.0.0.0:443", "[::]:443", "224.0.0.1:443", "255.255.255.255:443", "100.64.0.1:443", "198.18.0.1:443", "240.0.0.1:443",
		"[::ffff:127.0.0.1]:443", "[::ffff:10.0.0.1]:443", "[64:ff9b::7f00:1]:443", "[64:ff9b::a9fe:a9fe]:443", "[2002:7f00:1::]:443", "[2001::1]:443",
		"[2001:db8::1]:443", "[::127.0.0.1]:443", "192.0.2.1:443", "192.0.0.8:443", "plex.tv:443", ""} {
		if refusePrivate("tcp", address, nil) == nil {
			t.Errorf("%s may be connected to", address)
		}
	}
	for _, address := range []string{"1.1.1.1:443", "[2606:4700::1111]:443", "[64:ff9b::101:101]:443", "[::ffff:1.1.1.1]:443"} {
		if err := refusePrivate("tcp", address, nil); err != nil {
			t.Error(err)
		}
	}
}
