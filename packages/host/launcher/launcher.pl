# Starts Firecracker with a CPU template for an orchestrator that knows nothing of templates.
# docs/launcher.md tells how it works. Set above: $real, $inline, $template, @guard: the command
# that keeps the socket from then on, if there is one, and $jailed: the Firecracker that $real, a
# jailer, is to start, or nothing.
#
# This process becomes Firecracker by exec, so that pid, exit code, signals and standard streams
# are its own. Firecracker listens on a private socket first; a helper that lives for some
# milliseconds gives it the template, and only then links the socket to the path that the
# orchestrator waits for. Whatever fails, that path never leads to a Firecracker without the
# template.
#
# Perl because one process does it all: a shell would start six programs, each of which takes as
# long as Firecracker itself. No modules, for the same reason.

use strict;

my $pid = $$;

sub say_why { print STDERR "evenkeel launcher: $_[0]\n" }

sub fail {
    say_why($_[0]);
    exit 1;
}

sub become { exec { $real } $real, @_ or fail("$real: $!") }

# --- What the command line asks for; Firecracker itself judges whether it is right. ---

# Where the values of these options stand; Firecracker takes none that begins with two dashes. A
# jailer's own come first, Firecracker's behind the first "--".
my ($socket_at, $config_at, $limit_at, $alone, $end, $daemon);
$end = @ARGV;
my $first = 0;
my %jailer = ('chroot-base-dir' => '/srv/jailer');
if (defined $jailed) {
    while ($first < @ARGV and $ARGV[$first] ne '--') {
        my $option = $ARGV[$first++];
        become(@ARGV) if $option =~ /^(?:--help|-h|--version)$/;
        $daemon = 1 if $option eq '--daemonize';
        next if $first == @ARGV or $ARGV[$first] =~ /^--/;
        $jailer{$1} = $ARGV[$first++] if $option =~ /^--(.+)/;
    }
    push @ARGV, '--' if $first == @ARGV;
    $end = @ARGV;
    $first++;
}
for my $i ($first .. $#ARGV) {
    my $option = $ARGV[$i];
    if ($option eq '--') { $end = $i; last }
    # These print and end.
    if ($option =~ /^(?:--help|-h|--version|--snapshot-version|--describe-snapshot)$/) {
        become(@ARGV);
    }
    $alone = 1 if $option eq '--no-api';
    next if $i == $#ARGV or $ARGV[$i + 1] =~ /^--/;
    $socket_at = $i + 1 if $option eq '--api-sock';
    $config_at = $i + 1 if $option eq '--config-file';
    $limit_at = $i + 1 if $option eq '--http-api-max-payload-size';
}

# Without an API and a configuration there is no microVM: Firecracker says so.
become(@ARGV) if $alone and not defined $config_at;

-x $real or fail("$real cannot be executed");
(stat $real)[9] <= (stat $0)[9]
    or fail("$real is newer than this launcher; install the launcher again");
-r $_ or fail("$_, which the guard needs, cannot be read") for grep m{^/}, @guard;

# --- Behind a jailer: where its chroot is. ---

# What the jail's root is called out here; nothing where there is no jail.
my $root = '';
my ($uid, $gid) = ($<, $( + 0);

# A path without symbolic links, as the jailer sees it.
sub canonical {
    my ($path) = @_;
    chdir($path) or fail("$path: $!");
    my $canonical = readlink("/proc/$pid/cwd");
    defined $canonical or fail("$path: $!");
    return $canonical;
}

# Makes a directory as the jailer will find it, which takes one that is there for granted.
sub ensure {
    my ($path) = @_;
    -d $path and not -l $path or mkdir($path, 0755) or fail("$path: $!");
}

if (defined $jailed) {
    fail('a configuration file cannot be given a CPU template in a jail: use the API') if defined $config_at;
    my ($exec, $id, $base) = @jailer{'exec-file', 'id', 'chroot-base-dir'};
    for my $name ('exec-file', 'id', 'uid', 'gid') {
        # It says what is missing, and ends.
        become(@ARGV) unless defined $jailer{$name};
    }
    # The template is for one release: another Firecracker could make another guest CPU of it.
    my @given = stat $exec;
    my @known = stat $jailed;
    @given and @known and "$given[0] $given[1]" eq "$known[0] $known[1]"
        or fail("this launcher is for $jailed, not for $exec");
    $given[9] <= (stat $0)[9] or fail("$exec is newer than this launcher; install it again");
    become(@ARGV) unless $id =~ /^[A-Za-z0-9-]{1,64}$/ and "$jailer{uid} $jailer{gid}" =~ /^\d+ \d+$/;
    ($uid, $gid) = ($jailer{uid}, $jailer{gid});
    my $here = readlink("/proc/$pid/cwd");
    my $name = $exec;
    # Its name is that of what a link leads to.
    while (-l $name) {
        my $to = readlink $name;
        $name = $to =~ m{^/} ? $to : ($name =~ m{^(.*/)} ? $1 : '') . $to;
    }
    $name =~ s{.*/}{};
    $root = canonical($base);
    chdir($here) or fail("$here: $!") if defined $here;
    for my $part ($name, $id, 'root') { ensure($root .= "/$part") }
    ensure("$root/run");
}

# --- A configuration file: the template goes into a copy. ---

# Keeps a text in a file without a name; returns where Firecracker can open it.
sub held {
    my ($text) = @_;
    my $directory = $ENV{TMPDIR} || '/tmp';
    my $name = "$directory/.evenkeel.$pid." . length $text;
    # Firecracker is to inherit it, so it must not be closed by exec.
    local $^F = 1 << 20;
    my $mask = umask 077;
    mkdir($name) or fail("$name: $!");
    open(my $out, '+>', "$name/text") or fail("$name/text: $!");
    umask $mask;
    unlink "$name/text";
    rmdir $name;
    syswrite($out, $text) == length $text or fail("$name/text: $!");
    our @kept;
    push @kept, $out;
    return '/proc/self/fd/' . fileno $out;
}

# A member named twice is refused by Firecracker: a configuration that brings a template of its
# own ends in a failed start.
if (defined $config_at) {
    my $config = $ARGV[$config_at];
    open(my $in, '<', $config) or fail("$config: $!");
    my $text = do { local $/; <$in> };
    close $in;
    $text =~ s/^\s*\{// or fail("$config is not a JSON object");
    my $value = $inline ? $template : '"' . held($template) . '"';
    $ARGV[$config_at] = held("{\"cpu-config\": $value, $text");
    # Without a guard, there is nothing left to do; without an API, nothing to guard.
    become(@ARGV) if $alone or not @guard;
}

# --- The API: the template goes to the private socket before anybody else gets there. ---

my $socket = defined $socket_at ? $ARGV[$socket_at] : '/run/firecracker.socket';
if ($root ne '') {
    fail("the API socket's path leads out of the jail: $socket") if "/$socket/" =~ m{/\.\./};
    # Relative to the jail's root, which is where Firecracker runs.
    $socket =~ s{^/*}{$root/};
}
# State and start time of this process, which becomes Firecracker; nothing where it is gone.
my $watched = $pid;
sub look {
    open(my $stat, '<', "/proc/$watched/stat") or return;
    my @fields = split ' ', (<$stat> =~ /.*\) (.*)/s)[0];
    return @fields[0, 19];
}

my (undef, $born) = look();

my $private;

# Whether it still runs; the pid may have been used again.
sub runs {
    return kill(0, $watched) unless defined $born;
    my ($state, $since) = look();
    return 1 if defined $since && $since eq $born && $state ne 'Z';
    return $root ne '' && left_behind();
}

# A jailer that makes a PID namespace, or a daemon, is gone by now: it has written down whom it left
# behind, or is about to.
my $left;
sub left_behind {
    return 0 if $left;
    my ($name) = $root =~ m{/([^/]+)/[^/]+/root$};
    # Nothing there yet: the socket is waited for, not for ever.
    open(my $in, '<', "$root/$name.pid") or return not -S "$private/s";
    my $text = <$in>;
    # Made, and not written yet.
    return 1 unless defined $text;
    return 0 unless $text =~ /^(\d+)$/ and $1 != $pid;
    ($watched, $left) = ($1, 1);
    (undef, $born) = look();
    return defined $born;
}

sub clean_up {
    unlink "$private/s", "$private/g";
    rmdir $private;
}

# The helper's: ends the microVM.
sub give_up {
    if (runs()) {
        say_why("the microVM was ended: $_[0]");
        kill('KILL', $watched);
    }
    clean_up();
    exit 1;
}

sub connected {
    socket(my $api, 1, 1, 0) or give_up("socket: $!");
    return connect($api, pack('Sa*', 1, "$private/s")) ? $api : undef;
}

# Connects once somebody listens: between bind and listen the socket is there and refuses.
sub api {
    for my $round (1 .. 1500) {
        if (-S "$private/s") {
            my $api = connected();
            return $api if $api;
        }
        runs() or give_up('');
        select(undef, undef, undef, $round < 1000 ? 0.0005 : 0.05);
    }
    give_up('it has opened no API socket');
}

# Sends a call; returns status and body of the answer.
sub ask {
    my ($api, $what, $request) = @_;
    while (length $request) {
        # One connection too many is answered before it has asked, and closed.
        my $sent = syswrite($api, $request) or last;
        substr($request, 0, $sent) = '';
    }
    my $answer = '';
    for (;;) {
        my ($head, $body) = split /\r\n\r\n/, $answer, 2;
        if (defined $body) {
            my $length = $head =~ /^content-length: *(\d+)/im ? $1 : 0;
            return ($head =~ m{^HTTP/\S+ (\d+)} ? $1 : 0, $body) if length $body >= $length;
        }
        sysread($api, $answer, 65536, length $answer) or give_up("no answer to $what");
    }
}

# In a jail, whoever listens is the microVM: the jailer may be gone, and what it has written down is
# in a directory of others. Linux: SOL_SOCKET, SO_PEERCRED.
sub watch_listener {
    my ($api) = @_;
    my ($listener, $user) = unpack('iI', getsockopt($api, 1, 17) || '');
    my @its = $listener ? stat "/proc/$listener/root/" : ();
    my @jail = stat $root;
    @its and $user == $uid and "@its[0, 1]" eq "@jail[0, 1]"
        or give_up('somebody else listens in its place');
    ($watched, $left) = ($listener, 1);
    (undef, $born) = look();
    defined $born or give_up('');
}

sub put_template {
    my ($api) = @_;
    return ask($api, 'the CPU template', "PUT /cpu-config HTTP/1.1\r\nHost: localhost\r\n"
        . 'Content-Type: application/json' . "\r\n"
        . 'Content-Length: ' . length($template) . "\r\n\r\n" . $template);
}

# Takes all connections that Firecracker serves at a time (micro_http, server.rs: MAX_CONNECTIONS)
# and the socket's name. The last of ours is answered only where nobody else has one, and says
# whether anybody did something before.
sub occupy {
    my ($first) = @_;
    local $^F = 1 << 20;
    my @all = ($first, map { connected() || give_up("connecting to the API: $!") } 2 .. 10);
    unlink "$private/s";
    my ($status, $body) = ask($all[-1], 'a question', "GET / HTTP/1.1\r\nHost: localhost\r\n\r\n");
    $status == 200 or give_up("somebody else has reached its API: $body");
    defined $config_at or $body =~ /"state": *"Not started"/
        or give_up("somebody else has used its API: $body");
    return @all;
}

# Starts the guard, which takes over the connections, puts its own socket at the path that the
# orchestrator waits for, and says so. It ends with Firecracker; until it is ready, Firecracker ends with it.
sub stand_guard {
    my @connections = @_;
    my $limit = defined $limit_at ? $ARGV[$limit_at] : 51200;
    $SIG{ALRM} = sub { give_up('the guard was not ready within 30 s') };
    alarm 30;
    pipe(my $ready, my $say) or give_up("pipe: $!");
    my $guard = fork;
    defined $guard or give_up("fork: $!");
    if ($guard == 0) {
        delete $ENV{NODE_OPTIONS};
        open(STDIN, '<', '/dev/null');
        open(STDOUT, '>&', $say);
        # A daemon holds nobody's output open.
        open(STDERR, '>', '/dev/null') if $daemon;
        exec { $guard[0] } @guard, $0, $private, $socket, $watched, $limit,
            ($root eq '' ? 'plain' : 'jailed'), map { fileno $_ } @connections;
        say_why("$guard[0]: $!");
        exit 1;
    }
    close $say;
    my $said = <$ready>;
    defined $said and $said eq "ready\n" or give_up('its guard did not start');
}

sub configure {
    $SIG{$_} = sub { give_up('interrupted before the CPU template was applied') }
        for qw(HUP INT TERM);
    $SIG{ALRM} = sub { give_up('no answer from the API within 10 s') };
    $SIG{PIPE} = 'IGNORE';
    # The guard is to inherit it.
    local $^F = 1 << 20 if @guard;
    my $api = api();
    watch_listener($api) if $root ne '';
    alarm 10;
    my @connections = @guard ? occupy($api) : ();
    alarm 0;
    # A configuration file has brought it already.
    if (not defined $config_at) {
        alarm 10;
        my ($status, $body) = put_template($api);
        $status == 204 or give_up("Firecracker refused the CPU template: $body");
    }
    return stand_guard(@connections) if @guard;
    close $api;
    # Unlike rename, link fails where there is something already.
    link("$private/s", $socket) or give_up("$socket: $!");
    clean_up();
}

# Where the private directory may be; the first that can be made is the one.
my $directory = $socket =~ m{^(.*/)} ? $1 : './';
my @candidates = map { "${directory}.ek$pid$_" } '', 'a' .. 'f';

# What ends at once between this process and the helper, so that the helper is nobody's child
# here: Firecracker would not wait for it. It makes the directory, which from then on the helper
# takes away even if this process is killed meanwhile. Its exit code tells which one it is.
sub between {
    for my $i (0 .. $#candidates) {
        $private = $candidates[$i];
        next unless mkdir($private, 0700);
        if ($root ne '' and not chown($uid, $gid, $private)) {
            say_why("$private: $!");
            rmdir $private;
            exit @candidates;
        }
        my $helper = fork;
        if (not defined $helper) {
            say_why("fork: $!");
            rmdir $private;
            exit @candidates;
        }
        exit $i if $helper;
        configure();
        exit 0;
    }
    say_why("no directory can be made in $directory: $!");
    exit @candidates;
}

if (-e $socket or -l $socket) {
    fail("Failed to open the API socket at: $socket. Check that it is not already used.");
}
my $between = fork;
defined $between or fail("fork: $!");
between() if $between == 0;
waitpid $between, 0;
$private = $candidates[$? >> 8];
exit 1 if $? & 127 or not defined $private;

# In a jail, Firecracker knows it by another name.
my $seen = "$private/s";
substr($seen, 0, length $root) = '';
if (defined $socket_at) { $ARGV[$socket_at] = $seen }
else { splice @ARGV, $end, 0, '--api-sock', $seen }
become(@ARGV);
