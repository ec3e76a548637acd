"""The words that name a state: made, removed, broken, gone well."""

from __future__ import annotations

MADE = (
    "created|written|saved|made|stored|generated|produced|built|drawn|exported|rendered|recorded|filed"
    "|added|put in"
    "|laid down|dropped in|placed|delivered|kept"
)


MADE_ACTIVE = (
    "created|wrote|saved|made|stored|generated|produced|built|drew|exported|rendered|recorded|filed"
    "|added|placed"
    "|delivered|put together|dropped"
)


REMOVED = (
    "deleted|removed|erased|wiped|purged|cleared out|cleaned up|thrown away|thrown out|dropped"
    "|got rid of|binned|trashed"
    "|unlinked|discarded"
)


BROKE = (
    "failed|crashed|broke|broken|aborted|died|errored|errored out|blew up|blown up|choked|fell over"
    "|tripped|tripped over|gave up"
    "|timed out|bombed|went wrong|hung|stumbled|fallen over|bailed out|refused|rejected|red|tanked"
    "|flopped|stopped with"
)


BREAKS = "fails|crashes|breaks|errors out|dies|chokes|falls over|times out|aborts"


WENT = (
    "worked|succeeded|went through|gone through|went in|got through|took effect|ran through"
    "|run through|ran fine"
    "|ran clean"
    "|ran cleanly|went fine|went well|finished|completed"
    "|fixed|solved|resolved|repaired|mended|recovered|came right|worked out|came through"
    "|turned out fine|sorted|done|complete"
)


GOES = "works|goes through|runs through|runs fine|runs cleanly|runs clean|is all good|checks out|holds up"


ACTIONS = (
    "pushed|committed|merged|deployed|installed|uploaded|downloaded|sent|mailed|emailed|e-mailed"
    "|restarted|rebooted|scheduled|renamed|moved"
    "|copied|backed up|archived|compressed|zipped|encrypted|published|released|tagged|upgraded|migrated"
    "|reverted"
    "|rolled back|cloned|rebased|posted|printed|notified|synced|restored|reloaded|formatted"
)


ADVERBS = (
    "now|already|all|still|indeed|really|finally|also|both|just|safely|again|even|actually|successfully"
    "|properly"
    "|correctly|well|fully|completely|currently|only|nicely|cleanly|duly|of course|once more|as well"
    "|apparently"
    "|evidently|clearly|both|each|ever|simply|then|immediately|right away|since|long|quite"
)
