/* The rarer moves of the mailbox; its design is told in mailbox.h. */
#include "mailbox/mailbox.h"

void trpi_mailbox_detach(trpi_mailbox *mailbox, trpi_link *link, bool is_shared) {
    trpi_link *next = trpi_mailbox_next(link);
    if (next == NULL) {
        trpi_store(&mailbox->stub.next, NULL, TRPI_RELAXED);
        if (trpi_mailbox_park(mailbox, link, &mailbox->stub, is_shared)) {
            mailbox->first = &mailbox->stub;
            return;
        }
        /* A producer has exchanged and will link within a few instructions. */
        do {
            next = trpi_mailbox_next(link);
        } while (next == NULL);
    }
    mailbox->first = next;
}

bool trpi_mailbox_claim(trpi_mailbox *mailbox, bool is_shared) {
    trpi_store(&mailbox->stub.next, NULL, TRPI_RELAXED);
    if (!trpi_mailbox_park(mailbox, NULL, &mailbox->stub, is_shared)) {
        return false;
    }
    mailbox->first = &mailbox->stub;
    return true;
}
