"""Two persons move what needs a person: the ruling stands in the same commit, or the move is refused."""

from django.db import migrations

RULED = """
DROP TRIGGER app_moves_by_the_word_of_people ON exchange_transaction;
-- What an insurer did is proven by workers. One person says: not sent any more, never booked. Two rule on what needs a
-- person, and what follows from their ruling on a cancel: the cancelled fee, and the rest that was to be settled.
CREATE FUNCTION exchange_moved_by_people() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF OLD.state || '>' || NEW.state IN ('RECEIVED>NOT_SENT', 'SUCCEEDED>REVERSING') OR EXISTS (
        SELECT 1 FROM exchange_ruling ruling JOIN exchange_transaction ruled ON ruled.id = ruling.transaction_id
        WHERE ruling.closed_at = NEW.state_at AND ruling.seconded_by <> '' AND NOT ruling.withdrawn AND (
            (OLD.state = 'NEEDS_HUMAN' AND ruled.id = OLD.id AND ruling.decision = NEW.state)
            OR (NEW.state = 'CANCELLED' AND ruled.of_id = OLD.id AND ruling.decision = 'SUCCEEDED')
            OR (OLD.state = 'RECEIVED' AND NEW.state = 'REJECTED' AND EXISTS (
                SELECT 1 FROM exchange_resettlement saga WHERE saga.cancel_id = ruled.id AND saga.rest_id = OLD.id))))
    THEN
        RETURN NEW;
    END IF;
    RAISE EXCEPTION 'only a worker proves that % goes from % to %', OLD.id, OLD.state, NEW.state
        USING ERRCODE = 'restrict_violation';
END $$;
CREATE TRIGGER app_moves_by_the_word_of_people BEFORE UPDATE ON exchange_transaction FOR EACH ROW
    WHEN (OLD.state <> NEW.state AND current_setting('role', true) = 'medisettle_app')
    EXECUTE FUNCTION exchange_moved_by_people();
"""

ACCESS = """
SELECT core_protect('exchange_deskact', 'organisation_id = ANY (core_organisations())', 'SELECT, INSERT, UPDATE');
CREATE TRIGGER a_closed_act_is_fixed BEFORE UPDATE ON exchange_deskact FOR EACH ROW
    WHEN (OLD.closed_at IS NOT NULL) EXECUTE FUNCTION exchange_refuse_change('this act has ended');
CREATE TRIGGER nothing_is_forgotten BEFORE DELETE ON exchange_deskact FOR EACH ROW
    EXECUTE FUNCTION exchange_refuse_change('acts are never deleted');
CREATE TRIGGER nothing_is_forgotten BEFORE DELETE ON exchange_ruling FOR EACH ROW
    EXECUTE FUNCTION exchange_refuse_change('rulings are never deleted');
"""


class Migration(migrations.Migration):
    dependencies = [("exchange", "0005_acts_of_two_names")]
    operations = [migrations.RunSQL(sql, elidable=False) for sql in (RULED, ACCESS)]
