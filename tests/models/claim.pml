/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* How a file becomes a job, and what crashes and power cuts may do meanwhile.
 *
 * The supervisor renames a file out of its tenant's directory into .claims, under a number, and hands its bytes to the
 * engine; the engine makes the rename durable, commits the job under that number, and says so; the supervisor removes the
 * file. Between any two statements the engine may be killed, or the supervisor and the engine with it, or the power may be
 * cut: then of each rename and removal that was not made durable, it happened or it did not (a rename is not halved). In
 * all interleavings of that each file becomes one job, and nothing is left of it.
 *
 * Each mutant (see `run`) takes one rule away, and is found out. */

#ifndef FAULTS
#define FAULTS 2
#endif
#define FILES   2
#define NUMBERS 12

mtype = { SPOOL, CLAIMS, NOWHERE }; /* where a file is */
mtype = { CLAIM, DONE, HELLO };

/* What processes see, and what the disk has of it. */
mtype place[FILES], place_on_disk[FILES];
byte number[FILES], number_on_disk[FILES];

bool is_accepted[NUMBERS]; /* the ledger: by a claim's number, from 1 */

bool is_on;
byte supervisor, engine; /* which one lives */
byte faults;
chan up = [4] of { mtype, byte, byte };
chan down = [4] of { mtype, byte };

byte jobs_of[FILES]; /* ghost */

inline say(type, about, what) {
        atomic { if :: served == engine -> up!type(about, what) :: else fi }
}

inline claim(f) {
        assert(next < NUMBERS);
        atomic { number[f] = next; place[f] = CLAIMS; next++ }
        say(CLAIM, f, number[f])
}

active proctype Supervisor() {
        byte f, from, me, served, next;

begin:
        is_on;
        d_step {
                me = supervisor;
                next = 1;
                for (f : 0 .. FILES - 1) {
                        if
                        :: place[f] == CLAIMS && number[f] >= next -> next = number[f] + 1
                        :: else
                        fi
                }
        }
        {
                skip;
serve:
                /* An engine that is started says from where numbers are free; then it gets what is claimed. */
                served = engine;
                do
                :: served != engine -> goto serve
                :: atomic { served == engine && down?[HELLO, _] -> down?HELLO(from) }; break
                od;
#ifndef MUTANT_NUMBERS_OF_DIRECTORY
                if :: from > next -> next = from :: else fi;
#endif
                for (f : 0 .. FILES - 1) {
                        if
                        :: place[f] == CLAIMS -> say(CLAIM, f, number[f])
                        :: else
                        fi
                }
end:
                do
                :: served != engine -> goto serve
                :: served == engine && place[0] == SPOOL -> claim(0)
                :: served == engine && place[1] == SPOOL -> claim(1)
                :: atomic { served == engine && down?[DONE, _] -> down?DONE(f) }; place[f] = NOWHERE
                od
        } unless { supervisor != me };
        goto begin
}

active proctype Engine() {
        byte f, n, me;

begin:
        is_on;
        d_step {
                me = engine;
                n = 1;
                for (f : 1 .. NUMBERS - 1) {
                        if :: is_accepted[f] -> n = f + 1 :: else fi
                }
        }
        {
                down!HELLO(n);
end:
                do
                :: atomic { up?[CLAIM, _, _] -> up?CLAIM(f, n) };
#ifdef MUTANT_DONE_FIRST
                        down!DONE(f);
#endif
                        if
#ifndef MUTANT_NUMBERS_NOT_UNIQUE
                        :: is_accepted[n] /* by an engine before, which could not say so any more */
                        :: !is_accepted[n] ->
#else
                        :: true ->
#endif
#ifndef MUTANT_NO_FSYNC
                                d_step {
                                        place_on_disk[0] = place[0];
                                        number_on_disk[0] = number[0];
                                        place_on_disk[1] = place[1];
                                        number_on_disk[1] = number[1]
                                }
#endif
                                atomic {
                                        is_accepted[n] = true;
                                        jobs_of[f]++;
                                        assert(jobs_of[f] == 1)
                                }
                        fi;
#ifndef MUTANT_DONE_FIRST
                        down!DONE(f)
#endif
                od
        } unless { engine != me };
        goto begin
}

inline new_engine() {
        engine++;
        do
        :: nempty(down) -> down?_, _
        :: nempty(up) -> up?_, _, _
        :: empty(down) && empty(up) -> break
        od
}

inline cut_power() {
        for (k : 0 .. FILES - 1) {
                if
                :: place[k] = place_on_disk[k]; number[k] = number_on_disk[k]
                :: place_on_disk[k] = place[k]; number_on_disk[k] = number[k]
                fi
        }
}

init {
        byte k;

        atomic {
                for (k : 0 .. FILES - 1) {
                        place[k] = SPOOL;
                        place_on_disk[k] = SPOOL
                }
                is_on = true
        }
        do
        :: atomic { faults < FAULTS -> faults++; new_engine() }
        :: atomic { faults < FAULTS -> faults++; supervisor++; new_engine() }
        :: atomic { faults < FAULTS -> faults++; cut_power(); supervisor++; new_engine() }
        :: timeout -> break
        od;
        for (k : 0 .. FILES - 1) {
                assert(jobs_of[k] == 1);
                assert(place[k] == NOWHERE)
        }
}
