#!/usr/bin/env perl
# A search from Perl: `perl search.pl 30` ends with 30 trials, however often it was killed on the way.
use strict;
use warnings;
use IPC::Open2;
use JSON::PP;

my $server = open2(my $answers, my $requests, "journaltune", "serve", "--stdio");
my $json = JSON::PP->new->allow_nonref;

# The answer to a call: its result, or its error.
sub answer {
    my ($method, $params) = @_;
    print {$requests} $json->encode({ jsonrpc => "2.0", id => 1, method => $method, params => $params }), "\n";
    $requests->flush;
    my $line = <$answers> // die "the server is gone\n";
    return $json->decode($line);
}

sub call {
    my $answer = answer(@_);
    die "$answer->{error}{message}\n" if $answer->{error};
    return $answer->{result};
}

# The loss after each of four steps; undef when the trial is not worth going on.
sub train {
    my ($number, $x, $y) = @_;
    my $loss;
    for my $step (1 .. 4) {
        $loss = ($x - 0.3) * ($x - 0.3) + ($y + 0.2) * ($y + 0.2) + 1 / $step;
        return undef if call("report", [ $number, $step, number($loss) ]) eq "prune";
    }
    return $loss;
}

# Perl prints 15 digits of a number; 17 are all of them.
sub number { return sprintf("%.17g", shift) }

my $param = [ "x: float(-1, 1)", "y: float(-1, 1)" ];    # a list: hashes of Perl have no order
call("create", { param => $param, sampler => "tpe", seed => 42, exist_ok => JSON::PP::true });
while (1) {
    my $asked = answer("ask", { trials => ($ARGV[0] // 30) + 0 });
    last if $asked->{error} && $asked->{error}{code} == 11;    # nothing left to ask
    die "$asked->{error}{message}\n" if $asked->{error};
    my $trial = $asked->{result};
    my $loss = train($trial->{number}, $trial->{params}{x}, $trial->{params}{y});
    call("tell", defined $loss ? [ $trial->{number}, number($loss) ] : { number => $trial->{number}, state => "pruned" });
}
my $best = call("best", {});
print "best: trial $best->{number} with $best->{value}\n";
close $requests;
waitpid $server, 0;
